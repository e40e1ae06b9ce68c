"""A learned gate that sees the surroundings of a region."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_count, check_flag, check_not_negative, is_count
from ..exporting import full_precision
from ..tokens import patchify, shrink
from .learned import LearnedGate, rescale_pixels, reverse_pixels

# Pixels along a region's side in the reduced image, and along the side of a cell, the first of two steps to the region grid.
_SIDES, _CELL = (16, 8), 4
_VIEW = 5  # regions along the side of what a context layer sees


class ContextGate(LearnedGate):
    """Decide by a few convolutions on the reduced image: a region's own pixels and what lies around it.

    The image is reduced to 16 pixels for each side of a region (8 where regions are smaller). Patches of 4×4 of these pixels
    become cells, the cells of a region its features, and ``depth`` depthwise convolutions of 5×5, each with a linear layer and
    a skip, let regions see their neighbours. By default this costs 0.10 MMACs a region.

    Args:
        coarse_patch_size: side of a region in pixels, S_c, at least 8.
        in_channels, temperature, threshold, budget: see `LearnedGate`.
        width: channels on the region grid, a multiple of 8.
        depth: convolutions on the region grid, >= 0; each widens the view by two regions at every side.
        init_p_fine: probability of fine before any training, in (0, 1).
        frozen: see `BaseGate.freeze`; for a gate whose weights come with those of its host, or that `TeachGateHook` teaches.

    Raises:
        ValueError: an argument is out of its range.
    """

    tensor_names = (
        r'region_size|head\.(?:weight|bias)|'
        r'(?:stem|context)\.\d+\.(?:linear|norm)\.(?:weight|bias)|context\.\d+\.around\.weight'
    )

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
        cell_width = 8 * -(-width // 24)  # a third of the region's, in whole eights
        self.stem = nn.ModuleList(
            (_Layer(in_channels * _CELL**2, cell_width), _Layer(cell_width * (self.side // _CELL) ** 2, width))
        )
        self.context = nn.ModuleList(_ContextLayer(width) for _ in range(depth))
        self.head = nn.Linear(width, 1)
        # the weights do not tell it, and a checkpoint must
        self.register_buffer('region_size', torch.tensor(coarse_patch_size))
        self._quiet_last_layer(init_p_fine)
        check_flag('frozen', frozen)
        if frozen:
            self.freeze()

    @property
    def last_layer(self) -> nn.Linear:
        return self.head

    @property
    def _first_layer(self) -> nn.Linear:
        return cast(nn.Linear, self.get_submodule('stem.0.linear'))

    def logits(self, images: Tensor) -> Tensor:
        with full_precision(images.device.type):
            height, width = self.region_shape(images)
            reduced = _reduce(images.to(self.head.weight.dtype), height * self.side, width * self.side)
            cells = self.stem[0](patchify(reduced, _CELL))
            x = self.stem[1](_join_cells(cells, self.side // _CELL))
            for layer in self.context:
                x = layer(x)
            return self.head(x).squeeze(-1).float()

    def macs(self, height: int, width: int) -> int:
        """As `BaseGate.macs`."""
        cells = (self.side // _CELL) ** 2
        first, *rest = (parameter.numel() for parameter in self.parameters() if parameter.dim() > 1)
        return height * width * (cells * first + sum(rest))

    def rescale_inputs(self, scale: Tensor, shift: Tensor) -> None:
        rescale_pixels(self._first_layer, scale, shift)

    def reverse_channels(self) -> None:
        reverse_pixels(self._first_layer, self.in_channels)

    @classmethod
    def _read_arguments(cls, tensors: dict[str, Tensor], coarse_patch_size: int | None) -> dict[str, Any]:
        size = int(tensors['region_size'])
        if coarse_patch_size not in (None, size):
            raise ValueError(f'the gate is one for regions of {size} pixels, not of {coarse_patch_size}')
        return dict(
            in_channels=tensors['stem.0.linear.weight'].shape[1] // _CELL**2,
            coarse_patch_size=size,
            width=tensors['head.weight'].shape[1],
            depth=sum(name.endswith('.around.weight') for name in tensors),
        )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Weights for regions of another size are an error; without a size they are for ours."""
        size = int(state_dict.setdefault(f'{prefix}region_size', self.get_buffer('region_size')))
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


def _join_cells(cells: Tensor, along: int) -> Tensor:
    """Join the features of so many cells along each side: (B, H, W, C) becomes (B, H / along, W / along, C * along**2)."""
    joined = cells.unflatten(2, (-1, along)).unflatten(1, (-1, along))
    return joined.transpose(2, 3).flatten(3)


class _Layer(nn.Module):
    """Linear layer at each place of a grid (B, H, W, C), norm over the image, GELU."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.linear = nn.Linear(before, after)
        self.norm = nn.GroupNorm(1, after)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity='relu')
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.linear(x).movedim(-1, 1))).movedim(1, -1)


class _ContextLayer(_Layer):
    """A `_Layer` on what lies around each place, with a skip."""

    def __init__(self, width: int):
        super().__init__(width, width)
        self.around = nn.Conv2d(width, width, _VIEW, padding=_VIEW // 2, groups=width, bias=False)
        nn.init.normal_(self.around.weight, std=1 / _VIEW)

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(self.around(x.movedim(-1, 1)).movedim(1, -1))
