"""Batch-shaping with one fixed prior for all regions."""

from torch import Tensor

from ..checks import check_choice, check_positive, check_share
from .base import GateLoss
from .batch_shaping import cramer_von_mises, relaxed_bernoulli_cdf
from .beta import beta_cdf

PRIORS = ('relaxed_bernoulli', 'beta')


class BaSLoss(GateLoss):
    """Batch-shaping loss (BaS), the predecessor of GBaS (section G.2).

    The values of all regions and images are one sample, whose distribution is shaped towards one fixed prior, as in
    `batch_shaping_loss` with a single position. So it knows neither regions nor a hyperprior.

    Where the joined batch holds one value only, the term is 0 and a warning is given once.

    Args:
        target: g*, the prior's mean, the wanted share of fine regions, in (0, 1).
        prior: ``'relaxed_bernoulli'`` of mean parameter g*, or ``'beta'``, Beta(g* c, (1 - g*) c).
        temperature: of the relaxed Bernoulli prior, > 0.
        concentration: c of the Beta prior, > 0; below 1 / max(g*, 1 - g*) both ends are favoured over the middle.
        weight: lambda, multiplies the term, >= 0.
        gather: shape the values of all processes as one sample, see `join_ranks`.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        target: float = 0.5,
        prior: str = 'relaxed_bernoulli',
        temperature: float = 0.3,
        concentration: float = 1.0,
        weight: float = 1.0,
        gather: bool = False,
    ):
        super().__init__(weight, gather)
        check_share('target', target)
        check_choice('prior', prior, PRIORS)
        check_positive('temperature', temperature)
        check_positive('concentration', concentration)
        self.target = target
        self.prior = prior
        self.temperature = temperature
        self.concentration = concentration

    def prior_cdf(self, x: Tensor) -> Tensor:
        """Evaluate the prior's cumulative distribution function at values in [0, 1]."""
        if self.prior == 'beta':
            return beta_cdf(x, self.target * self.concentration, (1 - self.target) * self.concentration)
        return relaxed_bernoulli_cdf(x, self.target, self.temperature)

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute the loss, already multiplied by the weight.

        Args:
            p_fine: (B, Hc, Wc) in [0, 1], the gate's relaxed decisions.

        Returns:
            ``loss_gate_prior``, a scalar.

        Raises:
            ValueError: ``p_fine`` is not (B, Hc, Wc) or empty, or, with ``gather``, its shape differs between ranks.
        """
        m = self._joined(p_fine).reshape(-1, 1)
        prior = cramer_von_mises(m, self.prior_cdf(m)) if len(m) > 1 else self._no_distribution(m)
        return {'loss_gate_prior': self.weight * prior}
