"""Mixed-scale tokens for Vision Transformers on OpenMMLab."""

from .version import __version__

__all__ = ['__version__']
