"""Gates decide which regions are fine."""

from .base import BaseGate, GateOutput
from .context import ContextGate
from .fixed import MaskGate, RadialGate, RandomGate, UniformGate
from .learned import LearnedGate
from .mlp import MLPGate
from .normalization import Normalization, renormalize_gate, reverse_channels
from .saliency import SaliencyGate
from .sampling import limit_fine_regions, sample_relaxed_bernoulli

__all__ = [
    'BaseGate',
    'ContextGate',
    'GateOutput',
    'LearnedGate',
    'MLPGate',
    'MaskGate',
    'Normalization',
    'RadialGate',
    'RandomGate',
    'SaliencyGate',
    'UniformGate',
    'limit_fine_regions',
    'renormalize_gate',
    'reverse_channels',
    'sample_relaxed_bernoulli',
]
