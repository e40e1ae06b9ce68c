"""Other ways to spend fewer tokens, which mixed-scale tokens are measured against."""

from .compare import DENSE, MIXED, UNTRAINED_GATES, Comparison, compare_peers, operating_gates
from .matched import keep_rate_for_macs, peers_at_macs
from .nets import Features, HostWeights, MergingViT
from .tome import ToMe, apply_tome, r_for_macs, tome_macs

__all__ = [
    'DENSE',
    'MIXED',
    'UNTRAINED_GATES',
    'Comparison',
    'Features',
    'HostWeights',
    'MergingViT',
    'ToMe',
    'apply_tome',
    'compare_peers',
    'keep_rate_for_macs',
    'operating_gates',
    'peers_at_macs',
    'r_for_macs',
    'tome_macs',
]
