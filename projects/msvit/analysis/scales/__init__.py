"""What a mixed-scale model makes of images, beside its dense twin: figures 9, 12 and 13 of the supplement."""

from .cells import Cell, Painter, PatchSizes, gate_cells
from .page import draw_page
from .report import Card, write_report
from .view import ScaleView, ScaleViewer, figures_of

__all__ = [
    'Card',
    'Cell',
    'Painter',
    'PatchSizes',
    'ScaleView',
    'ScaleViewer',
    'draw_page',
    'figures_of',
    'gate_cells',
    'write_report',
]
