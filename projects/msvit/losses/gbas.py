"""Generalised batch-shaping: a learned prior for each position, itself shaped by a hyperprior."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..checks import check_count, check_positive, check_share, is_count
from .base import GateLoss
from .batch_shaping import batch_shaping_loss
from .memory import ValueMemory
from .priors import fit_prior_logit, initial_prior_mean


class GBaSLoss(GateLoss):
    """Generalised batch-shaping loss (GBaS; sections 2.2 and G.2).

    Every region has a relaxed Bernoulli prior of learned mean mu_k. The prior term shapes the gate's values over the batch
    at each region towards its prior; the hyperprior term shapes the means over the regions towards a normal distribution
    around the target g*. So the whole image meets the target, while regions may differ.

    The distribution over a batch of few images is noise: ``gather`` and ``memory`` fill it up. A single image with neither
    is no distribution: the prior term is then 0 and a warning is given once; the hyperprior term is as always.

    Learned priors of another grid are resized when a checkpoint is loaded.

    Args:
        grid: (Hc, Wc), the regions of a training image.
        target: g*, the wanted share of fine regions, in (0, 1).
        temperature: of the relaxed Bernoulli priors, > 0.
        hyperprior_variance: of the normal hyperprior, > 0 (its standard deviation is the square root).
        weight: lambda, multiplies both terms, >= 0.
        init: the priors before training, ``'uniform'`` or ``'centre'``: see `initial_prior_mean`.
        gather: shape the images of all processes as one batch, see `join_ranks`.
        memory: number of past training images whose values, without gradient, join the empirical distribution, >= 0; see
            `batch_shaping_loss`. Processes remember the joined batch with ``gather`` and their own without (where DDP
            broadcasts buffers, which OpenMMLab's runner switches off: those of the first).

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
        init: str = 'uniform',
        gather: bool = False,
        memory: int = 0,
    ):
        super().__init__(weight, gather)
        if not isinstance(grid, Sequence) or len(grid) != 2 or not all(is_count(side, 1) for side in grid):
            raise ValueError(f'grid must be (Hc, Wc), the regions of a training image, got {grid!r}')
        check_share('target', target)
        check_positive('temperature', temperature)
        check_positive('hyperprior_variance', hyperprior_variance)
        check_count('memory', memory)
        self.target = target
        self.temperature = temperature
        self.hyperprior_variance = hyperprior_variance
        rows, columns = grid
        self.prior_logit = nn.Parameter(torch.logit(initial_prior_mean(init, (rows, columns))))
        self.memory = ValueMemory(memory, self.prior_logit.numel()) if memory else None
        self.register_load_state_dict_pre_hook(fit_prior_logit)

    @property
    def grid(self) -> tuple[int, int]:
        """(Hc, Wc), the regions that have a prior each."""
        rows, columns = self.prior_logit.shape
        return rows, columns

    @property
    def prior_mean(self) -> Tensor:
        """mu, the learned prior of each region, (Hc, Wc) in (0, 1)."""
        return self.prior_logit.sigmoid()

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute the loss terms, each already multiplied by the weight.

        Args:
            p_fine: (B, Hc, Wc) in [0, 1], the gate's relaxed decisions.

        Returns:
            ``loss_gate_prior`` and ``loss_gate_hyperprior``, scalars.

        Raises:
            ValueError: ``p_fine`` is empty, has another grid than the priors, or, with ``gather``, has a batch size that
                differs between ranks.
        """
        mean = self.prior_mean
        if p_fine.dim() != 3 or p_fine.shape[1:] != mean.shape:
            raise ValueError(
                f'the learned priors have grid {tuple(mean.shape)}, but p_fine has shape {tuple(p_fine.shape)}: '
                'set grid=(Hc, Wc) to the regions of a training image'
            )
        prior = self._prior(self._joined(p_fine).flatten(1), mean.flatten())
        return {'loss_gate_prior': self.weight * prior, 'loss_gate_hyperprior': self.weight * self._hyperprior(mean)}

    def _prior(self, m: Tensor, mean: Tensor) -> Tensor:
        remembered = None if self.memory is None else self.memory.values
        number = len(m) + (0 if remembered is None else len(remembered))
        if number == 1:
            prior = self._no_distribution(m, mean)
        else:
            prior = batch_shaping_loss(m, mean, self.temperature, remembered=remembered)
        if self.training and self.memory is not None:
            self.memory.add(m)
        return prior

    def _hyperprior(self, mean: Tensor) -> Tensor:
        mean = mean.flatten()
        # equal priors share a rank: any other order among them, as at the start, would draw a pattern of its own
        ranked = mean.detach().sort().values
        rank = (torch.searchsorted(ranked, mean.detach()) + torch.searchsorted(ranked, mean.detach(), right=True) + 1) / 2
        cdf = torch.special.ndtr((mean - self.target) / self.hyperprior_variance**0.5)
        return (rank / (len(mean) + 1) - cdf).square().mean()
