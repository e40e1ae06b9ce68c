"""Transformers on mixed-scale tokens."""

from .ms_deit import MSDeiT
from .ms_vit import MSViT
from .trace import TokenRecord, TokenTrace

__all__ = ['MSDeiT', 'MSViT', 'TokenRecord', 'TokenTrace']
