"""Who tells a gate, while it learns, how much each region deserves to be fine."""

from .base import GateTeacher
from .labels import LabelTeacher, minority_share

__all__ = ['GateTeacher', 'LabelTeacher', 'minority_share']
