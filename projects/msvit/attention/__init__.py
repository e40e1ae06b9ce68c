"""One attention for the plain and the mixed-scale transformer."""

from .module import MixedScaleAttention, attend, class_attention
from .weighted import weighted_attention

__all__ = ['MixedScaleAttention', 'attend', 'class_attention', 'weighted_attention']
