"""Sweeps: a grid of trainings from one config, each in a folder of its own, and accuracy against MACs."""

from .drawing import draw
from .points import Point, make_points, require_readable
from .results import MetricError, read_result, require_unchanged, summarise
from .training import Outcome, train_points

__all__ = [
    'MetricError',
    'Outcome',
    'Point',
    'draw',
    'make_points',
    'read_result',
    'require_readable',
    'require_unchanged',
    'summarise',
    'train_points',
]
