"""The paper's gate: a small MLP that looks at one coarse patch at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..linear import Linear
from ..registry import MODELS
from ..tokens import patchify
from .learned import LearnedGate


@MODELS.register_module()
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
        dims = [in_channels * coarse_patch_size**2, *hidden_dims]
        layers: list[nn.Module] = []
        for width_in, width_out in zip(dims, dims[1:], strict=False):
            layers += [Linear(width_in, width_out), nn.GELU()]
        self.mlp = nn.Sequential(*layers, Linear(dims[-1], 1))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
                nn.init.zeros_(layer.bias)
        self._quiet_last_layer(init_p_fine)
        if frozen:
            self.freeze()

    @property
    def last_layer(self) -> nn.Module:
        return self.mlp[-1]

    def logits(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            regions = patchify(images.to(self.mlp[0].weight.dtype), self.coarse_patch_size)
            return self.mlp(regions).squeeze(-1).float()
