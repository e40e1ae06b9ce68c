"""Who tells a gate, while it learns, how much each region deserves to be fine."""

from .base import GateTeacher
from .dense import DenseTeacher, attended_share
from .labels import LabelTeacher, minority_share

__all__ = ['DenseTeacher', 'GateTeacher', 'LabelTeacher', 'attended_share', 'minority_share']
