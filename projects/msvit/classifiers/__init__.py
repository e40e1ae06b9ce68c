"""Image classifiers that learn from more than labels."""

from .distilled import DistilledClassifier
from .teacher import FrozenTeacher

__all__ = ['DistilledClassifier', 'FrozenTeacher']
