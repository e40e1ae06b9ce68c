"""What a mixed-scale model makes of images, beside its dense twin: figures 9, 12 and 13 of the supplement."""

from .cells import Cell, Painter, gate_cells
from .page import draw_page
from .report import Card, write_report
from .view import Figures, ScaleView, ScaleViewer

__all__ = ['Card', 'Cell', 'Figures', 'Painter', 'ScaleView', 'ScaleViewer', 'draw_page', 'gate_cells', 'write_report']
