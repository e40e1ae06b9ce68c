"""The Beta distribution's CDF with a gradient, which torch lacks."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .batch_shaping import CLIP


def beta_cdf(x: Tensor, a: float, b: float) -> Tensor:
    """Evaluate the cumulative distribution function of Beta(a, b), the regularised incomplete beta function I_x(a, b).

    Evaluated in float64 on the CPU.

    Args:
        x: values in [0, 1], clipped to [1e-3, 1 - 1e-3].
        a: > 0.
        b: > 0.

    Returns:
        Values in [0, 1], the shape and type of ``x``; the gradient is the density.

    Raises:
        ImportError: scipy is not installed.
    """
    if find_spec('scipy') is None:
        raise ImportError("the Beta prior needs scipy: pip install scipy, or take prior='relaxed_bernoulli'")
    return _BetaCDF.apply(x, a, b)


class _BetaCDF(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, a: float, b: float) -> Tensor:
        from scipy.special import betainc  # no other loss needs scipy

        ctx.save_for_backward(x)
        ctx.shape_parameters = a, b
        return torch.from_numpy(np.asarray(betainc(a, b, _float64(x).clip(CLIP, 1 - CLIP)))).to(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        from scipy.special import betaln

        a, b = ctx.shape_parameters
        given = _float64(ctx.saved_tensors[0])
        x = given.clip(CLIP, 1 - CLIP)
        density = np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b)) * (x == given)
        return grad * torch.from_numpy(np.asarray(density)).to(grad), None, None


def _float64(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()
