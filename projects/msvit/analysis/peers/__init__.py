"""Other ways to spend fewer tokens, which mixed-scale tokens are measured against."""

from .pruning import keep_rate_for_macs
from .tome import ToMe, apply_tome, r_for_macs, tome_macs

__all__ = ['ToMe', 'apply_tome', 'keep_rate_for_macs', 'r_for_macs', 'tome_macs']
