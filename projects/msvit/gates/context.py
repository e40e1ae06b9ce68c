"""A learned gate that sees the surroundings of a region."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import MODELS
from .learned import LearnedGate

# Pixels along a region's side in the reduced image: three convolutions of stride 2 make one value of them.
_SIDE = 8


@MODELS.register_module()
class ContextGate(LearnedGate):
    """Decide by a few convolutions on the reduced image: a region's own pixels and what lies around it.

    The image is reduced to 8 pixels for each side of a region; three convolutions of stride 2 lead to the region grid, and
    ``depth`` more, each with a skip, let regions see their neighbours. By default this costs 0.26 MMACs a region.

    Args:
        coarse_patch_size: side of a region in pixels, S_c, at least 8.
        in_channels, temperature, threshold, budget: see `LearnedGate`.
        width: channels on the region grid, a multiple of 4.
        depth: convolutions on the region grid, >= 0; each widens the view by one region at every side.
        init_p_fine: probability of fine before any training, in (0, 1).
        frozen: see `BaseGate.freeze`; for a gate whose weights come with those of its host, or that `TeachGateHook` teaches.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        coarse_patch_size: int = 32,
        in_channels: int = 3,
        width: int = 96,
        depth: int = 2,
        temperature: float = 0.3,
        init_p_fine: float = 0.9,
        threshold: float = 0.5,
        budget: int | float | None = None,
        frozen: bool = False,
    ):
        super().__init__(coarse_patch_size, in_channels, temperature, init_p_fine, threshold, budget)
        if coarse_patch_size < _SIDE:
            raise ValueError(
                f'ContextGate needs regions of at least {_SIDE} pixels, got coarse_patch_size={coarse_patch_size}'
            )
        if width < 4 or width % 4:
            raise ValueError(f'width must be a positive multiple of 4, got {width}')
        if depth < 0:
            raise ValueError(f'depth must not be negative, got {depth}')
        widths = (in_channels, width // 4, width // 2, width)
        self.stem = nn.ModuleList(_Conv(before, after, stride=2) for before, after in zip(widths, widths[1:], strict=False))
        self.context = nn.ModuleList(_Conv(width, width) for _ in range(depth))
        self.head = nn.Conv2d(width, 1, 1)
        self._quiet_last_layer(init_p_fine)
        if frozen:
            self.freeze()

    @property
    def last_layer(self) -> nn.Module:
        return self.head

    def logits(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            height, width = self.region_shape(images)
            x = F.adaptive_avg_pool2d(images.to(self.head.weight.dtype), (height * _SIDE, width * _SIDE))
            for layer in self.stem:
                x = layer(x)
            for layer in self.context:
                x = x + layer(x)
            return self.head(x).squeeze(1).float()


class _Conv(nn.Sequential):
    """Convolution, norm over the image, GELU."""

    def __init__(self, before: int, after: int, stride: int = 1):
        super().__init__(nn.Conv2d(before, after, 3, stride, padding=1), nn.GroupNorm(1, after), nn.GELU())
        nn.init.kaiming_normal_(self[0].weight, nonlinearity='relu')
        nn.init.zeros_(self[0].bias)
