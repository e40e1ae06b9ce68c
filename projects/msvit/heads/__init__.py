"""Classifiers that start from pretrained weights."""

from .pretrained import PretrainedClsHead, PretrainedDeiTClsHead

__all__ = ['PretrainedClsHead', 'PretrainedDeiTClsHead']
