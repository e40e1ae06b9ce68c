"""Losses that give the gate its budget."""

from .bas import BaSLoss
from .base import GateLoss
from .batch_shaping import batch_shaping_loss, relaxed_bernoulli_cdf
from .beta import beta_cdf
from .gbas import GBaSLoss
from .several import SeveralLosses, build_gate_loss
from .share import L0Loss, TargetLoss
from .teaching import TeachingLoss, teaching_loss

__all__ = [
    'BaSLoss',
    'GBaSLoss',
    'GateLoss',
    'L0Loss',
    'SeveralLosses',
    'TargetLoss',
    'TeachingLoss',
    'batch_shaping_loss',
    'beta_cdf',
    'build_gate_loss',
    'relaxed_bernoulli_cdf',
    'teaching_loss',
]
