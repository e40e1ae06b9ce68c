"""Transformers on mixed-scale tokens."""

from .ms_deit import MSDeiT
from .ms_vit import MSViT
from .pruning import MSDyViT, MSEViT
from .swin import MSSwin
from .trace import TokenRecord, TokenTrace

__all__ = ['MSDeiT', 'MSDyViT', 'MSEViT', 'MSSwin', 'MSViT', 'TokenRecord', 'TokenTrace']
