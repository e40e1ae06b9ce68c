"""What plugs into mmengine's runner."""

from .consistency_hook import ConsistencyHook
from .gate_loss_hook import GateLossHook
from .gate_warmup_hook import GateWarmupHook
from .scale_map_hook import ScaleMapHook
from .seed_hook import IterationSeedHook
from .token_metric import TokenMetric

__all__ = ['ConsistencyHook', 'GateLossHook', 'GateWarmupHook', 'IterationSeedHook', 'ScaleMapHook', 'TokenMetric']
