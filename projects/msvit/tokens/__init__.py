"""Mixed-scale tokens: geometry, memory layouts, and the way back to the grid."""

from .embedding import position_table
from .grid import TokenGrid, pad_to_multiple, patchify, shrink
from .index import TokenIndex, build_index, trimmed_index
from .layouts import LAYOUTS, Layout, MemoryLayout, Segments, presence_order
from .sequence import MixedTokens

__all__ = [
    'LAYOUTS',
    'Layout',
    'MemoryLayout',
    'MixedTokens',
    'Segments',
    'TokenGrid',
    'TokenIndex',
    'build_index',
    'pad_to_multiple',
    'patchify',
    'position_table',
    'presence_order',
    'shrink',
    'trimmed_index',
]
