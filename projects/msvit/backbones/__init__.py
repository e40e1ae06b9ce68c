"""Transformers on mixed-scale tokens."""

from .ms_deit import MSDeiT
from .ms_dyvit import MSDyViT
from .ms_evit import MSEViT
from .ms_swin import MSSwin
from .ms_vit import MSViT
from .timm_entries import TimmMSViT
from .trace import TokenRecord, TokenTrace

__all__ = ['MSDeiT', 'MSDyViT', 'MSEViT', 'MSSwin', 'MSViT', 'TimmMSViT', 'TokenRecord', 'TokenTrace']
