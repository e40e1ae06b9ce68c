"""A gate that follows the image without any training."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_closed_share, naming
from ..exporting import cached_map
from ..parts import build_part
from .base import GateOutput
from .fixed import FixedShareGate


def detail(images: Tensor) -> Tensor:
    """Measure what halving the resolution loses: the squared difference to the mean of 2x2 pixels, (B, H, W)."""
    halved = F.avg_pool2d(images, 2, ceil_mode=True)
    height, width = images.shape[-2:]
    back = halved.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)[..., :height, :width]
    return (images - back).square().mean(dim=1)


def edges(images: Tensor) -> Tensor:
    """Measure the length of the brightness gradient by Sobel's filter, (B, H, W)."""
    grey = F.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode='replicate')
    return F.conv2d(grey, _sobel(images.device, images.dtype)).square().sum(dim=1).sqrt()


@cached_map(maxsize=16)  # to send constants to a GPU is to wait for it
def _sobel(device: torch.device, dtype: torch.dtype) -> Tensor:
    smooth, differ = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([-1.0, 0.0, 1.0]) / 2
    return torch.stack((torch.outer(smooth, differ), torch.outer(differ, smooth)))[:, None].to(device, dtype)


_MAPS: dict[str, Callable[[Tensor], Tensor]] = {'detail': detail, 'edges': edges}


class SaliencyGate(FixedShareGate):
    """Fine where a map of the image is highest: mixed scales for any pretrained ViT, without training.

    By default every image gets the same share of fine regions. With a ``threshold`` the share follows the image; `calibrate`
    finds the threshold of a wanted mean share.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
        fine_share: share of fine regions, in [0, 1], rounded to whole regions; not used with a threshold.
        saliency: ``'detail'`` (what half the resolution loses), ``'edges'`` (brightness gradient), or a module, its config or
            a function of images (B, 3, H, W) that gives a map (B, H', W') or (B, 1, H', W'), of any size.
        threshold: fine where the mean of the map over the region exceeds it; None: ``fine_share`` decides.

    Raises:
        ValueError: the share is out of range, the map's name is unknown, or a map has another shape.
    """

    def __init__(
        self,
        coarse_patch_size: int = 32,
        fine_share: float = 0.5,
        saliency: str | nn.Module | dict[str, Any] | Callable[[Tensor], Tensor] = 'detail',
        threshold: float | None = None,
    ):
        super().__init__(coarse_patch_size, fine_share)
        if isinstance(saliency, str) and saliency not in _MAPS:
            raise ValueError(f'unknown saliency {saliency!r}: choose {", ".join(map(repr, _MAPS))}, or give a module')
        with naming('saliency'):
            self.saliency = _MAPS[saliency] if isinstance(saliency, str) else build_part(saliency, 'Gate')
        if not callable(self.saliency):
            raise ValueError(f'saliency must be the name of a map, a module, its config or a function, got {saliency!r}')
        if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, Real) or math.isnan(threshold)):
            raise ValueError(f'threshold must be a number or None, got {threshold!r}')
        self.threshold = threshold

    def priority(self, images: Tensor) -> Tensor:
        saliency = self.saliency(images)
        if saliency.dim() == 4 and saliency.shape[1] == 1:
            saliency = saliency[:, 0]
        if saliency.dim() != 3 or saliency.shape[0] != images.shape[0]:
            raise ValueError(
                f'the saliency map of {len(images)} images must have shape (B, H, W) or (B, 1, H, W), got '
                f'{tuple(saliency.shape)}'
            )
        return F.adaptive_avg_pool2d(saliency[:, None].float(), self.region_shape(images))[:, 0]

    def forward(self, images: Tensor) -> GateOutput:
        if self.threshold is None:
            return super().forward(images)
        fine_mask = self.priority(images) > self.threshold
        return GateOutput(fine_mask.float(), fine_mask)

    @torch.no_grad()
    def calibrate(self, images: Tensor, fine_share: float) -> float:
        """Set the threshold so that ``fine_share`` of all regions of these images are fine.

        Args:
            images: (B, 3, H, W), a sample of the data as the backbone gets it, sides multiples of ``coarse_patch_size``.
            fine_share: mean share of fine regions, in [0, 1]; images differ.

        Returns:
            The threshold.

        Raises:
            ValueError: the share is out of range.
        """
        check_closed_share('fine_share', fine_share)
        values = self.priority(images).flatten().sort().values
        coarse = round((1 - fine_share) * len(values))
        self.threshold = values[coarse - 1].item() if coarse else -torch.inf
        return self.threshold
