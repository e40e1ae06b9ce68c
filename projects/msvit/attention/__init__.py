"""One attention for the plain and the mixed-scale transformer."""

from .module import MixedScaleAttention, attend
from .weighted import weighted_attention

__all__ = ['MixedScaleAttention', 'attend', 'weighted_attention']
