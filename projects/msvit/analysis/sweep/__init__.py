"""Sweeps: a grid of trainings from one config, each in a folder of its own, and accuracy against MACs."""

from .drawing import draw
from .points import Point, make_points, require_readable
from .results import MetricError, Summary, read_result, require_unchanged, summarise, write_text
from .training import Outcome, train_points

__all__ = [
    'MetricError',
    'Outcome',
    'Point',
    'Summary',
    'draw',
    'make_points',
    'read_result',
    'require_readable',
    'require_unchanged',
    'summarise',
    'train_points',
    'write_text',
]
