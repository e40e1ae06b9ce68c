"""Between mixed-scale backbones and the heads of OpenMMLab."""

from .replicate import ReplicateTokens

__all__ = ['ReplicateTokens']
