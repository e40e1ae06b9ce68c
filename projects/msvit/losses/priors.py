"""The grid of learned priors: how it starts, and how it fits another grid."""

import logging
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_choice

if TYPE_CHECKING:
    from .gbas import GBaSLoss

INITS = ('uniform', 'centre')
_logger = logging.getLogger(__name__)


def initial_prior_mean(init: str, grid: tuple[int, int]) -> Tensor:
    """Choose prior means to begin with, 0.5 on average for either choice, whatever the target.

    So the choices differ in arrangement alone, and only the hyperprior pulls the average towards the target.

    Args:
        init: ``'uniform'``, 0.5 everywhere; or ``'centre'`` (figure 15b's "ctr init"), falling from the middle to the corners
            as exp(-r^2), scaled into [0.1, 0.9]. r is the distance in half sides of the image.
        grid: (Hc, Wc).

    Returns:
        (Hc, Wc) in [0.1, 0.9].

    Raises:
        ValueError: unknown ``init``.
    """
    check_choice('init', init, INITS)
    if init == 'uniform':
        return torch.full(grid, 0.5)
    y, x = ((torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 - 1 for side in grid)
    bump = torch.exp(-(y[:, None] ** 2) - x**2)
    bump = bump - bump.mean()
    # a grid of up to 2x2 regions has no middle: its bump is flat but for rounding
    return (0.5 + 0.4 * bump / bump.abs().max().clamp_min(1e-6)).float()


def fit_prior_logit(loss: 'GBaSLoss', state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Resize ``prior_logit`` of another grid, bilinearly and antialiased, and log it: a hook before load_state_dict."""
    name = f'{prefix}prior_logit'
    given, wanted = state.get(name), loss.grid
    if given is None or given.dim() != 2 or tuple(given.shape) == wanted:
        return
    state[name] = resize_prior_logit(given, wanted)
    _logger.warning(
        '%s: the learned priors of %s regions are resized to the %s of the model', name, _by(tuple(given.shape)), _by(wanted)
    )


def resize_prior_logit(prior_logit: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring (Hc, Wc) logits of learned priors to another grid, bilinear and antialiased."""
    resized = F.interpolate(prior_logit[None, None].float(), size=grid, mode='bilinear', antialias=True)[0, 0]
    return resized.to(prior_logit.dtype)


def _by(grid: tuple[int, ...]) -> str:
    return 'x'.join(map(str, grid))
