"""Losses that give the gate its budget."""

from .batch_shaping import batch_shaping_loss, relaxed_bernoulli_cdf
from .gbas import GBaSLoss

__all__ = ['GBaSLoss', 'batch_shaping_loss', 'relaxed_bernoulli_cdf']
