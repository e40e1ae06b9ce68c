"""Necks: from mixed-scale tokens to ordinary feature maps, and to pyramids."""

from .replicate import ReplicateTokens
from .simple_feature_pyramid import SimpleFeaturePyramid
from .unfold import UnfoldTokens

__all__ = ['ReplicateTokens', 'SimpleFeaturePyramid', 'UnfoldTokens']
