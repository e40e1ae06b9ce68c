"""Backbones that drop tokens within the encoder."""

from .base import PruningDeiT
from .ms_dyvit import MSDyViT
from .ms_evit import MSEViT

__all__ = ['MSDyViT', 'MSEViT', 'PruningDeiT']
