"""Batch-shaping: pull the distribution of gate values over a batch towards a prior."""

import torch
from torch import Tensor

# Gate values are clipped here before their log-odds are taken; means where float32 would round them to 0 or 1.
_CLIP = 1e-3
_CLIP_MEAN = 1e-6


def relaxed_bernoulli_cdf(x: Tensor, mean: Tensor | float, temperature: float) -> Tensor:
    """Cumulative distribution function of the relaxed Bernoulli (binary concrete) distribution.

    F(x) = sigmoid(temperature * logit(x) - logit(mean)).

    Args:
        x: values in [0, 1], clipped to [1e-3, 1 - 1e-3].
        mean: the distribution's mean parameter, in (0, 1), broadcastable to ``x``.
        temperature: > 0.

    Returns:
        Values in (0, 1), the shape of ``x`` broadcast with ``mean``.
    """
    mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device)
    return torch.sigmoid(temperature * torch.logit(x.clamp(_CLIP, 1 - _CLIP)) - torch.logit(mean, eps=_CLIP_MEAN))


def batch_shaping_loss(m: Tensor, mean: Tensor | float, temperature: float) -> Tensor:
    """Cramér-von-Mises distance of gate values over the batch to a relaxed Bernoulli prior at each position.

    (1/T) sum_k (1/B) sum_i [i / (B + 1) - F(x^k_(i); mean_k, temperature)]^2, with x^k sorted over the batch.

    Args:
        m: (B, T) in [0, 1], gate values of B images at T positions.
        mean: (T,) or a number, the prior's mean parameter, in (0, 1).
        temperature: of the relaxed Bernoulli prior, > 0.

    Returns:
        A scalar; its gradient reaches ``m`` and ``mean``.

    Raises:
        ValueError: ``m`` is not (B, T), ``mean`` fits no position or is a number outside (0, 1), or the temperature is not
            positive.
    """
    if m.dim() != 2:
        raise ValueError(f'm must have shape (batch, positions), got {tuple(m.shape)}')
    if isinstance(mean, Tensor) and mean.dim() > 0 and tuple(mean.shape) != (m.shape[1],):
        raise ValueError(
            f'mean must be a number or have one entry for each of the {m.shape[1]} positions, got {tuple(mean.shape)}'
        )
    if not isinstance(mean, Tensor) and not 0 < mean < 1:
        raise ValueError(f'mean must lie in (0, 1), got {mean}')
    if temperature <= 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    batch = m.shape[0]
    empirical = torch.arange(1, batch + 1, dtype=m.dtype, device=m.device) / (batch + 1)
    cdf = relaxed_bernoulli_cdf(m.sort(dim=0).values, mean, temperature)
    return (empirical[:, None] - cdf).square().mean()
