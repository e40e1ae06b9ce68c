"""The paper's gate: a small MLP that looks at one coarse patch at a time."""

from collections.abc import Sequence
from math import isqrt
from typing import Any, cast

from torch import Tensor, nn

from ..checks import check_flag, is_count
from ..exporting import full_precision
from ..tokens import patchify
from .learned import LearnedGate, rescale_pixels, reverse_pixels


class MLPGate(LearnedGate):
    """Decide each region from its own pixels, by an MLP shared by all regions (section 2.2, equations 11-12).

    The paper leaves the MLP's form open; by default three hidden layers of 128 read the raw coarse patch, which costs 0.43
    MMACs a region.

    Args:
        coarse_patch_size, in_channels, temperature, threshold, budget: see `LearnedGate`.
        hidden_dims: widths of the hidden layers.
        init_p_fine: probability of fine before any training, in (0, 1); high, so that training starts near the plain ViT.
        frozen: see `BaseGate.freeze`; for a gate whose weights come with those of its host.

    Raises:
        ValueError: an argument is out of its range.
    """

    tensor_names = r'mlp\.\d+\.(?:weight|bias)'

    def __init__(
        self,
        coarse_patch_size: int = 32,
        in_channels: int = 3,
        hidden_dims: Sequence[int] = (128, 128, 128),
        temperature: float = 0.3,
        init_p_fine: float = 0.9,
        threshold: float = 0.5,
        budget: int | float | None = None,
        frozen: bool = False,
    ):
        super().__init__(coarse_patch_size, in_channels, temperature, init_p_fine, threshold, budget)
        if (
            not isinstance(hidden_dims, Sequence)
            or isinstance(hidden_dims, str | bytes)
            or not all(is_count(width, 1) for width in hidden_dims)
        ):
            raise ValueError(f'hidden_dims must be positive widths, got {hidden_dims!r}')
        dims = [in_channels * coarse_patch_size**2, *hidden_dims]
        layers: list[nn.Module] = []
        for width_in, width_out in zip(dims, dims[1:], strict=False):
            layers += [nn.Linear(width_in, width_out), nn.GELU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(dims[-1], 1))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
                nn.init.zeros_(layer.bias)
        self._quiet_last_layer(init_p_fine)
        check_flag('frozen', frozen)
        if frozen:
            self.freeze()

    @property
    def last_layer(self) -> nn.Linear:
        return cast(nn.Linear, self.mlp[-1])

    @property
    def _first_layer(self) -> nn.Linear:
        return cast(nn.Linear, self.mlp[0])

    def logits(self, images: Tensor) -> Tensor:
        with full_precision(images.device.type):
            regions = patchify(images.to(self._first_layer.weight.dtype), self.coarse_patch_size)
            return self.mlp(regions).squeeze(-1).float()

    def macs(self, height: int, width: int) -> int:
        """As `BaseGate.macs`."""
        return height * width * sum(layer.weight.numel() for layer in self.mlp if isinstance(layer, nn.Linear))

    def rescale_inputs(self, scale: Tensor, shift: Tensor) -> None:
        rescale_pixels(self._first_layer, scale, shift)

    def reverse_channels(self) -> None:
        reverse_pixels(self._first_layer, self.in_channels)

    @classmethod
    def _read_arguments(cls, tensors: dict[str, Tensor], coarse_patch_size: int | None) -> dict[str, Any]:
        weights = [tensors[f'mlp.{index}.weight'] for index in range(0, len(tensors), 2)]
        inputs, hidden_dims = weights[0].shape[1], tuple(weight.shape[0] for weight in weights[:-1])
        channels, size = _patch_of(inputs)
        if coarse_patch_size is not None:
            channels, size = inputs // coarse_patch_size**2, coarse_patch_size
            if inputs % size**2:
                raise ValueError(f'the gate reads {inputs} values, which are no patches of {size} pixels')
        return dict(in_channels=channels, coarse_patch_size=size, hidden_dims=hidden_dims)


def _patch_of(inputs: int) -> tuple[int, int]:
    """Channels and side of the square patch of so many values; no number is both a square and three times one."""
    for channels in (3, 1):
        side = isqrt(inputs // channels)
        if side and channels * side**2 == inputs:
            return channels, side
    raise ValueError(f'{inputs} values are no square patch of three channels or one')
