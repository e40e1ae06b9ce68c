"""What plugs into mmengine's runner."""

from .gate_loss_hook import GateLossHook
from .scale_map_hook import ScaleMapHook
from .seed_hook import IterationSeedHook
from .token_metric import TokenMetric

__all__ = ['GateLossHook', 'IterationSeedHook', 'ScaleMapHook', 'TokenMetric']
