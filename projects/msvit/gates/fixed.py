"""Gates that nobody trains: patterns that are the same for every image, the controls of the learned gate."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_closed_share, check_count, to_mask
from ..exporting import cached_map
from .base import BaseGate, GateOutput


class FixedShareGate(BaseGate):
    """Base of the patterns that make a given share of the regions fine: the ones that `priority` puts first.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
        fine_share: share of fine regions, in [0, 1], rounded to whole regions.

    Raises:
        ValueError: the share is out of range.
    """

    def __init__(self, coarse_patch_size: int = 32, fine_share: float = 0.5):
        super().__init__(coarse_patch_size)
        check_closed_share('fine_share', fine_share)
        self.fine_share = fine_share

    @abstractmethod
    def priority(self, images: Tensor) -> Tensor:
        """Rank the regions, (B, Hc, Wc): the higher the sooner fine."""

    def forward(self, images: Tensor) -> GateOutput:
        priority = self.priority(images)
        rank = priority.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        fine_mask = (rank < round(self.fine_share * rank.shape[1])).reshape(priority.shape)
        return GateOutput(fine_mask.float(), fine_mask)


class RadialGate(FixedShareGate):
    """Fine around the centre, coarse towards the border (section G.1's fixed gate); arguments as in `FixedShareGate`."""

    def priority(self, images: Tensor) -> Tensor:
        height, width = self.region_shape(images)
        y = (torch.arange(height, device=images.device) + 0.5) / height - 0.5
        x = (torch.arange(width, device=images.device) + 0.5) / width - 0.5
        return -(y[:, None] ** 2 + x**2).expand(images.shape[0], height, width)


class UniformGate(FixedShareGate):
    """Fine regions spread evenly over the image; arguments as in `FixedShareGate`."""

    def priority(self, images: Tensor) -> Tensor:
        height, width = self.region_shape(images)
        # an additive recurrence of the plastic number: every prefix of its order covers the plane evenly
        y = torch.arange(height, device=images.device, dtype=torch.float64)[:, None] * 0.7548776662466927
        x = torch.arange(width, device=images.device, dtype=torch.float64) * 0.5698402909980532
        return ((y + x) % 1).expand(images.shape[0], height, width)


class RandomGate(FixedShareGate):
    """Random fine regions: drawn anew for each image in training, one fixed draw per grid at test.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
        fine_share: share of fine regions, in [0, 1], rounded to whole regions.
        seed: of the draw at test.
    """

    def __init__(self, coarse_patch_size: int = 32, fine_share: float = 0.5, seed: int = 0):
        super().__init__(coarse_patch_size, fine_share)
        check_count('seed', seed)
        self.seed = seed

    def priority(self, images: Tensor) -> Tensor:
        height, width = self.region_shape(images)
        if self.training:
            return torch.rand(images.shape[0], height, width, device=images.device)
        return _draw(self.seed, height, width, images.device).expand(images.shape[0], height, width)


@cached_map(maxsize=64)  # to send it to a GPU is to wait for that
def _draw(seed: int, height: int, width: int, device: torch.device) -> Tensor:
    return torch.rand(height, width, generator=torch.Generator().manual_seed(seed)).to(device)


class MaskGate(BaseGate):
    """One given mask for every image.

    Args:
        mask: (Hc, Wc), true = fine: nested sequences of 0 and 1 or a tensor.
        coarse_patch_size: side of a region in pixels, S_c.

    Raises:
        ValueError: the mask is not two-dimensional, or an image has another region grid.
    """

    def __init__(self, mask: Sequence[Sequence[bool]] | Tensor, coarse_patch_size: int = 32):
        super().__init__(coarse_patch_size)
        mask = to_mask('mask', mask)
        if mask.dim() != 2:
            raise ValueError(f'mask must be two-dimensional, (Hc, Wc); got shape {tuple(mask.shape)}')
        self.register_buffer('mask', mask, persistent=False)
        self.mask: Tensor

    def forward(self, images: Tensor) -> GateOutput:
        if self.region_shape(images) != tuple(self.mask.shape):
            raise ValueError(
                f'the given mask has {tuple(self.mask.shape)} regions, the padded images {self.region_shape(images)}: '
                'give a mask for this image size'
            )
        fine_mask = self.mask.expand(images.shape[0], -1, -1)
        return GateOutput(fine_mask.float(), fine_mask)
