"""Gates decide which regions are fine."""

from .base import BaseGate, GateOutput
from .fixed import MaskGate, RadialGate, RandomGate, UniformGate
from .learned import MLPGate
from .saliency import SaliencyGate
from .sampling import limit_fine_regions, sample_relaxed_bernoulli

__all__ = [
    'BaseGate',
    'GateOutput',
    'MLPGate',
    'MaskGate',
    'RadialGate',
    'RandomGate',
    'SaliencyGate',
    'UniformGate',
    'limit_fine_regions',
    'sample_relaxed_bernoulli',
]
