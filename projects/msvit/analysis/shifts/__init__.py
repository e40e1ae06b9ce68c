"""A learned and a fixed gate under random zooms and off-centre shifts (section G.1, figure 14)."""

from .study import FIXED_GATES, black, evaluate_shifts, require_same_inputs, summarise, with_fixed_gate
from .transform import UNMOVED, Transform, draw_transforms, move_images, move_labels

__all__ = [
    'FIXED_GATES',
    'UNMOVED',
    'Transform',
    'black',
    'draw_transforms',
    'evaluate_shifts',
    'move_images',
    'move_labels',
    'require_same_inputs',
    'summarise',
    'with_fixed_gate',
]
