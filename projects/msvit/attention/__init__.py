"""One attention for the plain and the mixed-scale transformer."""

from .mixed_scale import KeyBias, attend, class_attention, key_bias, merge_heads, project
from .weighted import weighted_attention

__all__ = ['KeyBias', 'attend', 'class_attention', 'key_bias', 'merge_heads', 'project', 'weighted_attention']
