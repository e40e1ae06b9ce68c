"""Losses that give the gate its budget."""

from .bas import BaSLoss
from .base import GateLoss
from .batch_shaping import batch_shaping_loss, relaxed_bernoulli_cdf
from .beta import beta_cdf
from .gbas import GBaSLoss
from .share import L0Loss, TargetLoss
from .teaching import teaching_loss

__all__ = [
    'BaSLoss',
    'GBaSLoss',
    'GateLoss',
    'L0Loss',
    'TargetLoss',
    'batch_shaping_loss',
    'beta_cdf',
    'relaxed_bernoulli_cdf',
    'teaching_loss',
]
