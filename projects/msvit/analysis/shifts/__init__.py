"""A learned and a fixed gate under random zooms and off-centre shifts (section G.1, figure 14)."""

from .evaluate import Point, Score, black, evaluate_points, require_same_inputs, with_fixed_gate
from .summary import Group, summarise
from .transform import UNMOVED, Transform, draw_transforms, move_images, move_labels

__all__ = [
    'UNMOVED',
    'Group',
    'Point',
    'Score',
    'Transform',
    'black',
    'draw_transforms',
    'evaluate_points',
    'move_images',
    'move_labels',
    'require_same_inputs',
    'summarise',
    'with_fixed_gate',
]
