"""Between mixed-scale backbones and the heads of OpenMMLab."""

from .replicate import ReplicateTokens
from .simple_feature_pyramid import SimpleFeaturePyramid

__all__ = ['ReplicateTokens', 'SimpleFeaturePyramid']
