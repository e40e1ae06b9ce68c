"""Mixed-scale tokens: geometry, memory layouts, and the way back to the grid."""

from .embedding import embed_patches, position_table
from .grid import TokenGrid, pad_to_multiple, patchify, shrink
from .index import INDEX_TYPES, Layout, Segments, TokenIndex, build_index
from .sequence import MixedTokens

__all__ = [
    'INDEX_TYPES',
    'Layout',
    'MixedTokens',
    'Segments',
    'TokenGrid',
    'TokenIndex',
    'build_index',
    'embed_patches',
    'pad_to_multiple',
    'patchify',
    'position_table',
    'shrink',
]
