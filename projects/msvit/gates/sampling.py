"""Relaxed Bernoulli decisions in training, deterministic ones at test."""

import torch
from torch import Tensor
from torch.distributions import RelaxedBernoulli

from ..checks import is_count


def sample_relaxed_bernoulli(logits: Tensor, temperature: float) -> Tensor:
    """Draw from the binary concrete distribution, sigmoid((logits + logistic noise) / temperature) (equation 11).

    Args:
        logits: any shape; sigmoid(logits) is the probability that the draw exceeds 0.5.
        temperature: > 0; the smaller, the closer to 0 and 1. Noise comes from torch's generator of the logits' device.

    Returns:
        The shape of ``logits``, in (0, 1).
    """
    # unchecked: torch's checks of the arguments would wait for a GPU
    return RelaxedBernoulli(torch.as_tensor(temperature), logits=logits, validate_args=False).rsample()


def check_budget(budget: int | float | None) -> None:
    """Raise ValueError unless the budget is a number of regions (int >= 0), a share of them (float in [0, 1]), or None."""
    if budget is None or (isinstance(budget, float) and 0 <= budget <= 1):
        return
    if not is_count(budget):
        raise ValueError(f'budget must be a number of regions (int >= 0) or a share of them (float in [0, 1]), got {budget!r}')


def limit_fine_regions(fine_mask: Tensor, p_fine: Tensor, budget: int | float | None) -> Tensor:
    """Keep at most ``budget`` regions of each image fine, those of the highest ``p_fine``.

    Args:
        fine_mask: (B, Hc, Wc) bool.
        p_fine: (B, Hc, Wc) float.
        budget: a number of regions (int), a share of them in [0, 1] (float), or None for no limit.

    Returns:
        (B, Hc, Wc) bool.

    Raises:
        ValueError: the budget is out of range, see `check_budget`.
    """
    if budget is None:
        return fine_mask
    check_budget(budget)
    regions = fine_mask.shape[1] * fine_mask.shape[2]  # while exporting a symbol
    # a share such as 0.29 of 100 regions must not lose one to rounding
    keep = torch.sym_min(regions, torch.sym_int(budget * regions + 1e-6) if isinstance(budget, float) else budget)
    # stable, so that of equals the first ones are fine, in every runtime
    order = p_fine.flatten(1).sort(dim=1, descending=True, stable=True).indices
    within = (torch.arange(regions, device=order.device) < keep).expand_as(order)
    chosen = torch.zeros_like(within).scatter(1, order, within)
    return fine_mask & chosen.reshape(fine_mask.shape)
