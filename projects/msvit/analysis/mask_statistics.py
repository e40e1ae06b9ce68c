"""Where a gate decides for fine tokens over a data set, and how far that depends on the image (figures 7 and 15)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..losses import GBaSLoss, build_gate_loss
from ..tokens import TokenGrid
from .input_size import pair
from .model import AnalysedModel
from .samples import Sample


@dataclass(frozen=True)
class MaskStatistics:
    """Of the scale masks (1 = fine) over images.

    Args:
        mean: (Hc, Wc) in [0, 1], float64: how often each region is fine.
        variance: (Hc, Wc) in [0, 0.25], float64.
        images: how many.
        resampled: how many of them have another grid of regions, and were brought to this one by area.
    """

    mean: Tensor
    variance: Tensor
    images: int
    resampled: int

    @classmethod
    def of(cls, masks: Sequence[Tensor], grid: tuple[int, int]) -> 'MaskStatistics':
        """The statistics of at least one mask.

        Args:
            masks: (Hc', Wc') bool each, of any grids.
            grid: (Hc, Wc), see `choose_grid`.
        """
        resampled = sum(tuple(mask.shape) != grid for mask in masks)
        stack = torch.stack([F.interpolate(mask[None, None].double(), size=grid, mode='area')[0, 0] for mask in masks])
        return cls(stack.mean(dim=0), stack.var(dim=0, unbiased=False), len(masks), resampled)

    @property
    def fine(self) -> float:
        """Mean share of fine regions, p."""
        return float(self.mean.mean())

    @property
    def mean_variance(self) -> float:
        """Mean of the variance over regions."""
        return float(self.variance.mean())

    @property
    def image_dependence(self) -> float:
        """The mean variance as a share of the most that p allows, p (1 - p).

        By the law of total variance the rest is the variance of the mean over regions. 0: a fixed pattern, the same for every
        image. 1: every region is fine as often as any other, the image alone decides.
        """
        most = self.fine * (1 - self.fine)
        return self.mean_variance / most if most > 0 else 0.0


@torch.inference_mode()
def decide(model: AnalysedModel, sample: Sample) -> Tensor:
    """(Hc, Wc) bool, what a model's gate says of a whole input (no sliding windows)."""
    return model.backbone.decide(sample.inputs).fine_mask[0].cpu()


@torch.no_grad()
def learned_priors(model: AnalysedModel) -> tuple[Tensor, Tensor] | None:
    """The learned prior means of a `GBaSLoss` before and after training, (Hc, Wc) in (0, 1) each; None for other losses."""
    trained = _shaping_losses(model.backbone.gate_loss)
    if not trained:
        return None
    fresh = _shaping_losses(build_gate_loss(model.cfg.model.backbone.gate_loss, _native_grid(model)))
    return fresh[0].prior_mean, trained[0].prior_mean.cpu()


def _shaping_losses(gate_loss: nn.Module | None) -> list[GBaSLoss]:
    return [] if gate_loss is None else [loss for loss in gate_loss.modules() if isinstance(loss, GBaSLoss)]


def choose_grid(model: AnalysedModel, masks: Sequence[Tensor]) -> tuple[int, int]:
    """The grid (Hc, Wc) that more than half of the masks have, else that of the size the backbone is laid out for."""
    (shape, number), *_ = Counter(pair(mask.shape) for mask in masks).most_common(1)
    return shape if 2 * number > len(masks) else _native_grid(model)


def _native_grid(model: AnalysedModel) -> tuple[int, int]:
    backbone = model.backbone
    return TokenGrid(*pair(backbone.patch_embed.img_size), backbone.patch_size, backbone.coarse_patch_size).region_shape
