"""Losses on the mean share of fine regions alone.

The supplement compares GBaS with an "L0 loss" and gives no formula (section G.2). The project reads it in two ways, each
under a name of its own: `L0Loss`, the plain expected-L0 penalty, which knows no target, and `TargetLoss`, which does.
"""

from torch import Tensor

from ..checks import check_choice, check_share
from .base import GateLoss

FORMS = ('squared', 'absolute')


class L0Loss(GateLoss):
    """Expected-L0 penalty, weight * mean(p_fine): the budget is set by the weight, against the task's loss.

    It has no ``gather``: the mean over ranks of the ranks' means already is the joined batch's.

    Args:
        weight: lambda, multiplies the term, >= 0.

    Raises:
        ValueError: the weight is negative.
    """

    def __init__(self, weight: float = 1.0):
        super().__init__(weight)

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute the penalty, already multiplied by the weight.

        Args:
            p_fine: (B, Hc, Wc) in [0, 1], the gate's relaxed decisions.

        Returns:
            ``loss_gate_l0``, a scalar.

        Raises:
            ValueError: ``p_fine`` is not (B, Hc, Wc) or empty.
        """
        return {'loss_gate_l0': self.weight * self._joined(p_fine).mean()}


class TargetLoss(GateLoss):
    """Distance of the batch's share of fine regions to the target, (mean(p_fine) - g*)^2 or |mean(p_fine) - g*|.

    Args:
        target: g*, the wanted share of fine regions, in (0, 1).
        form: ``'squared'`` or ``'absolute'``.
        weight: lambda, multiplies the term, >= 0.
        gather: take the mean over all processes' images, see `join_ranks`.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, target: float = 0.5, form: str = 'squared', weight: float = 1.0, gather: bool = False):
        super().__init__(weight, gather)
        check_share('target', target)
        check_choice('form', form, FORMS)
        self.target = target
        self.form = form

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute the loss, already multiplied by the weight.

        Args:
            p_fine: (B, Hc, Wc) in [0, 1], the gate's relaxed decisions.

        Returns:
            ``loss_gate_target``, a scalar.

        Raises:
            ValueError: ``p_fine`` is not (B, Hc, Wc) or empty, or, with ``gather``, its shape differs between ranks.
        """
        excess = self._joined(p_fine).mean() - self.target
        return {'loss_gate_target': self.weight * (excess.square() if self.form == 'squared' else excess.abs())}
