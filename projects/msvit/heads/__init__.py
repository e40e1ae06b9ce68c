"""Heads: Segmenter's on mixed-scale tokens, for mmseg; classifiers that start from pretrained weights, for mmpretrain."""

from .pretrained import PretrainedClsHead, PretrainedDeiTClsHead
from .segmenter import MixedScaleSegmenterHead

__all__ = ['MixedScaleSegmenterHead', 'PretrainedClsHead', 'PretrainedDeiTClsHead']
