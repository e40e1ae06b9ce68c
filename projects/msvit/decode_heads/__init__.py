"""Heads that read mixed-scale tokens."""

from .segmenter import MixedScaleSegmenterHead

__all__ = ['MixedScaleSegmenterHead']
