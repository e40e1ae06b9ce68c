"""A learned gate that sees the surroundings of a region."""

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_count, check_flag, check_not_negative, is_count
from ..exporting import full_precision
from ..tokens import shrink
from .learned import LearnedGate

# Pixels along a region's side in the reduced image: convolutions of stride 2 make one value of them.
_SIDES = (16, 8)


class ContextGate(LearnedGate):
    """Decide by a few convolutions on the reduced image: a region's own pixels and what lies around it.

    The image is reduced to 16 pixels for each side of a region (8 where regions are smaller); convolutions of stride 2 lead to
    the region grid, and ``depth`` more, each with a skip, let regions see their neighbours. By default this costs 0.31 MMACs a
    region.

    Args:
        coarse_patch_size: side of a region in pixels, S_c, at least 8.
        in_channels, temperature, threshold, budget: see `LearnedGate`.
        width: channels on the region grid, a multiple of 8.
        depth: convolutions on the region grid, >= 0; each widens the view by one region at every side.
        init_p_fine: probability of fine before any training, in (0, 1).
        frozen: see `BaseGate.freeze`; for a gate whose weights come with those of its host, or that `TeachGateHook` teaches.

    Raises:
        ValueError: an argument is out of its range.
    """

    centre: Tensor
    tensor_names = r'centre|region_size|(?:stem|context)\.\d+\.[01]\.(?:weight|bias)|head\.(?:weight|bias)'

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
        if coarse_patch_size < _SIDES[-1]:
            raise ValueError(
                f'ContextGate needs regions of at least {_SIDES[-1]} pixels, got coarse_patch_size={coarse_patch_size}'
            )
        if not is_count(width, 8) or width % 8:
            raise ValueError(f'width must be a positive multiple of 8, got {width!r}')
        check_not_negative('depth', depth)
        check_count('depth', depth)
        self.side = next(side for side in _SIDES if side <= coarse_patch_size)
        stages = int(math.log2(self.side))
        widths = (in_channels, *(width >> i for i in reversed(range(stages))))
        self.stem = nn.ModuleList(_Conv(before, after, stride=2) for before, after in zip(widths, widths[1:], strict=False))
        self.context = nn.ModuleList(_Conv(width, width) for _ in range(depth))
        self.head = nn.Conv2d(width, 1, 1)
        # what the stem takes for zero, and so pads with: moves where a host normalises pixels in another way
        self.register_buffer('centre', torch.zeros(in_channels))
        # the weights do not tell it, and a checkpoint must
        self.register_buffer('region_size', torch.tensor(coarse_patch_size))
        self._quiet_last_layer(init_p_fine)
        check_flag('frozen', frozen)
        if frozen:
            self.freeze()

    @property
    def last_layer(self) -> nn.Conv2d:
        return self.head

    def logits(self, images: Tensor) -> Tensor:
        with full_precision(images.device.type):
            height, width = self.region_shape(images)
            x = _reduce(images.to(self.head.weight.dtype), height * self.side, width * self.side) - self.centre[:, None, None]
            for layer in self.stem:
                x = layer(x)
            for layer in self.context:
                x = x + layer(x)
            return self.head(x).squeeze(1).float()

    def macs(self, height: int, width: int) -> int:
        """As `BaseGate.macs`."""
        stem = sum(_weight(layer).numel() * (self.side >> i) ** 2 for i, layer in enumerate(self.stem, start=1))
        rest = sum(_weight(layer).numel() for layer in self.context) + self.head.weight.numel()
        return height * width * (stem + rest)

    @torch.no_grad()
    def rescale_inputs(self, scale: Tensor, shift: Tensor) -> None:
        # scale * x + shift - centre = scale * (x - (centre - shift) / scale): padding stays what it is, zero
        first = _weight(self.stem[0])
        first.copy_(first.double().cpu() * scale[:, None, None])
        self.centre.copy_((self.centre.double().cpu() - shift) / scale)

    @torch.no_grad()
    def reverse_channels(self) -> None:
        first = _weight(self.stem[0])
        first.copy_(first.flip(1))
        self.centre.copy_(self.centre.flip(0))

    @classmethod
    def _read_arguments(cls, tensors: dict[str, Tensor], coarse_patch_size: int | None) -> dict[str, Any]:
        size = int(tensors['region_size'])
        if coarse_patch_size not in (None, size):
            raise ValueError(f'the gate is one for regions of {size} pixels, not of {coarse_patch_size}')
        return dict(
            in_channels=tensors['stem.0.0.weight'].shape[1],
            coarse_patch_size=size,
            width=tensors['head.weight'].shape[1],
            depth=sum(name.startswith('context.') and name.endswith('.0.weight') for name in tensors),
        )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Weights for regions of another size are an error; without buffers they are those of the normalisation at hand."""
        for name in ('centre', 'region_size'):
            state_dict.setdefault(prefix + name, getattr(self, name))
        size = int(state_dict[f'{prefix}region_size'])
        if size != self.coarse_patch_size:
            raise ValueError(
                f'the weights are those of a ContextGate for regions of {size} pixels, and this one has '
                f'coarse_patch_size={self.coarse_patch_size}'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


def _reduce(images: Tensor, height: int, width: int) -> Tensor:
    """Mean pixels on a grid of so many rows and columns."""
    ratio = images.shape[-1] // width
    if images.shape[-2:] == (height * ratio, width * ratio):
        return shrink(images, ratio)
    return F.adaptive_avg_pool2d(images, (height, width))


class _Conv(nn.Sequential):
    """Convolution, norm over the image, GELU."""

    def __init__(self, before: int, after: int, stride: int = 1):
        conv = nn.Conv2d(before, after, 3, stride, padding=1)
        super().__init__(conv, nn.GroupNorm(1, after), nn.GELU())
        nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
        nn.init.zeros_(cast(Tensor, conv.bias))


def _weight(layer: nn.Module) -> Tensor:
    """The weight of a `_Conv`."""
    return layer.get_parameter('0.weight')
