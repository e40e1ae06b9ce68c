"""What plugs into mmengine's runner."""
# ruff: noqa: E402

from ..compat import drop_debug_prints, require_openmmlab

require_openmmlab()
drop_debug_prints()

from .autocast import CPUAutocastOptimWrapper
from .consistency_hook import ConsistencyHook
from .finite_loss_hook import FiniteLossHook
from .gate_loss_hook import GateLossHook
from .gate_warmup_hook import GateWarmupHook
from .oracle_hook import OracleHook
from .param_groups import GroupedOptimWrapperConstructor
from .safe_checkpoint_hook import SafeCheckpointHook
from .scale_map_hook import ScaleMapHook
from .seed_hook import IterationSeedHook
from .self_distillation_hook import SelfDistillationHook
from .teach_gate_hook import TeachGateHook
from .token_metric import TokenMetric

__all__ = [
    'CPUAutocastOptimWrapper',
    'ConsistencyHook',
    'FiniteLossHook',
    'GateLossHook',
    'GateWarmupHook',
    'GroupedOptimWrapperConstructor',
    'IterationSeedHook',
    'OracleHook',
    'SafeCheckpointHook',
    'ScaleMapHook',
    'SelfDistillationHook',
    'TeachGateHook',
    'TokenMetric',
]
