"""Batch-shaping: pull the distribution of gate values over a batch towards a prior."""

import torch
from torch import Tensor

from ..checks import check_positive, check_share

# Gate values are clipped here before a prior's CDF is taken; means where float32 would round them to 0 or 1.
CLIP = 1e-3
_CLIP_MEAN = 1e-6


def relaxed_bernoulli_cdf(x: Tensor, mean: Tensor | float, temperature: float) -> Tensor:
    """Evaluate the cumulative distribution function of the relaxed Bernoulli (binary concrete) distribution.

    F(x) = sigmoid(temperature * logit(x) - logit(mean)).

    Args:
        x: values in [0, 1], clipped to [1e-3, 1 - 1e-3].
        mean: the distribution's mean parameter, in (0, 1), broadcastable to ``x``.
        temperature: > 0.

    Returns:
        Values in (0, 1), the shape of ``x`` broadcast with ``mean``.
    """
    mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device)
    return torch.sigmoid(temperature * torch.logit(x.clamp(CLIP, 1 - CLIP)) - torch.logit(mean, eps=_CLIP_MEAN))


def batch_shaping_loss(m: Tensor, mean: Tensor | float, temperature: float, *, remembered: Tensor | None = None) -> Tensor:
    """Measure the Cramér-von-Mises distance of gate values over the batch to a relaxed Bernoulli prior at each position.

    (1/T) sum_k (1/B) sum_i [i / (B + 1) - F(x^k_(i); mean_k, temperature)]^2, with x^k sorted over the batch.

    Args:
        m: (B, T) in [0, 1], gate values of B images at T positions.
        mean: (T,) or a number, the prior's mean parameter, in (0, 1).
        temperature: of the relaxed Bernoulli prior, > 0.
        remembered: (N, T) in [0, 1], values of other images that fill up the empirical distribution. The values of ``m``
            then have their ranks among all B + N, and B + N + 1 divides these; the mean is still over ``m`` alone.

    Returns:
        A scalar, in float32 or better; its gradient reaches ``m`` and ``mean``.

    Raises:
        ValueError: ``m`` is not (B, T), ``mean`` fits no position or is a number outside (0, 1), ``remembered`` is not
            (N, T), or the temperature is not positive.
    """
    if m.dim() != 2:
        raise ValueError(f'm must have shape (batch, positions), got {tuple(m.shape)}')
    if isinstance(mean, Tensor) and mean.dim() > 0 and tuple(mean.shape) != (m.shape[1],):
        raise ValueError(
            f'mean must be a number or have one entry for each of the {m.shape[1]} positions, got {tuple(mean.shape)}'
        )
    if not isinstance(mean, Tensor):
        check_share('mean', mean)
    check_positive('temperature', temperature)
    if remembered is not None and (remembered.dim() != 2 or remembered.shape[1] != m.shape[1]):
        raise ValueError(f'remembered must have shape (images, {m.shape[1]}) as m has, got {tuple(remembered.shape)}')
    m = m.to(torch.promote_types(m.dtype, torch.float32))  # bfloat16 would round the clip's upper end to 1
    return cramer_von_mises(m, relaxed_bernoulli_cdf(m, mean, temperature), remembered)


def cramer_von_mises(m: Tensor, cdf: Tensor, remembered: Tensor | None = None) -> Tensor:
    """Average the squared difference of the empirical distribution over the batch and a prior's CDF, at the values.

    Args:
        m: (B, T) values.
        cdf: (B, T), the prior's CDF at ``m``.
        remembered: (N, T), see `batch_shaping_loss`.
    """
    number = len(m)
    rank = m.argsort(dim=0, stable=True).argsort(dim=0) + 1
    if remembered is not None:
        number += len(remembered)
        rank = rank + _count_below(m, remembered.to(m))
    return (rank.to(m) / (number + 1) - cdf).square().mean()


def _count_below(m: Tensor, others: Tensor) -> Tensor:
    """(B, T), how many of the others (N, T) lie below each value at its position.

    Equal ones count one half: saturated gates give many exact 0 and 1, and priors would be biased if the current ones always
    came first (or last) among these.
    """
    values, others = m.detach().T.contiguous(), others.T.contiguous().sort(dim=1).values
    below = torch.searchsorted(others, values)
    not_above = torch.searchsorted(others, values, right=True)
    return (below + not_above).T / 2
