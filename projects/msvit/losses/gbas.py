"""Generalised batch-shaping: a learned prior for each position, itself shaped by a hyperprior."""

import torch
from torch import Tensor, nn

from ..registry import MODELS
from .batch_shaping import batch_shaping_loss


@MODELS.register_module()
class GBaSLoss(nn.Module):
    """Generalised batch-shaping loss (GBaS; sections 2.2 and G.2).

    Every region has a relaxed Bernoulli prior of learned mean mu_k. The prior term shapes the gate's values over the batch
    at each region towards its prior; the hyperprior term shapes the means over the regions towards a normal distribution
    around the target g*. So the whole image meets the target, while regions may differ.

    Args:
        grid: (Hc, Wc), the regions of a training image.
        target: g*, the wanted share of fine regions, in (0, 1).
        temperature: of the relaxed Bernoulli priors, > 0.
        hyperprior_variance: of the normal hyperprior, > 0 (its standard deviation is the square root).
        weight: lambda, multiplies both terms, >= 0.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        target: float = 0.5,
        temperature: float = 0.3,
        hyperprior_variance: float = 0.1,
        weight: float = 1.0,
    ):
        super().__init__()
        if len(grid) != 2 or min(grid) < 1:
            raise ValueError(f'grid must be (Hc, Wc), the regions of a training image, got {grid}')
        if not 0 < target < 1:
            raise ValueError(f'target must lie in (0, 1), got {target}')
        if temperature <= 0:
            raise ValueError(f'temperature must be positive, got {temperature}')
        if hyperprior_variance <= 0:
            raise ValueError(f'hyperprior_variance must be positive, got {hyperprior_variance}')
        if weight < 0:
            raise ValueError(f'weight must not be negative, got {weight}')
        self.target = target
        self.temperature = temperature
        self.hyperprior_variance = hyperprior_variance
        self.weight = weight
        self.prior_logit = nn.Parameter(torch.zeros(*grid))

    @property
    def prior_mean(self) -> Tensor:
        """mu, the learned prior of each region, (Hc, Wc) in (0, 1)."""
        return self.prior_logit.sigmoid()

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Loss terms, each already multiplied by the weight.

        Args:
            p_fine: (B, Hc, Wc) in [0, 1], the gate's relaxed decisions.

        Returns:
            ``loss_gate_prior`` and ``loss_gate_hyperprior``, scalars.

        Raises:
            ValueError: ``p_fine`` has another grid than the priors.
        """
        mean = self.prior_mean
        if p_fine.dim() != 3 or p_fine.shape[1:] != mean.shape:
            raise ValueError(
                f'the learned priors have grid {tuple(mean.shape)}, but p_fine has shape {tuple(p_fine.shape)}: '
                'set grid=(Hc, Wc) to the regions of a training image'
            )
        prior = batch_shaping_loss(p_fine.float().flatten(1), mean.flatten(), self.temperature)
        return {'loss_gate_prior': self.weight * prior, 'loss_gate_hyperprior': self.weight * self._hyperprior(mean)}

    def _hyperprior(self, mean: Tensor) -> Tensor:
        ranked = mean.flatten().sort().values
        positions = torch.arange(1, len(ranked) + 1, dtype=ranked.dtype, device=ranked.device) / (len(ranked) + 1)
        cdf = torch.special.ndtr((ranked - self.target) / self.hyperprior_variance**0.5)
        return (positions - cdf).square().mean()
