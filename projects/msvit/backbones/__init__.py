"""Transformers on mixed-scale tokens."""

from .ms_vit import MSViT
from .trace import TokenRecord, TokenTrace

__all__ = ['MSViT', 'TokenRecord', 'TokenTrace']
