"""The learned gate: a small MLP that looks at one coarse patch at a time."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..linear import Linear
from ..registry import MODELS
from ..tokens import patchify
from .base import BaseGate, GateOutput
from .sampling import check_budget, limit_fine_regions, sample_relaxed_bernoulli


@MODELS.register_module()
class MLPGate(BaseGate):
    """Decide each region from its own pixels, by an MLP shared by all regions (section 2.2, equations 11-12).

    The paper leaves the MLP's form open; by default three hidden layers of 128 read the raw coarse patch, which costs 0.43
    MMACs a region. ``threshold`` and ``budget`` are plain attributes: set them at any time to trade accuracy for speed, no
    retraining.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
        in_channels: image channels.
        hidden_dims: widths of the hidden layers.
        temperature: of the relaxed Bernoulli draws in training, > 0.
        init_p_fine: probability of fine before any training, in (0, 1); high, so that training starts near the plain ViT.
        threshold: at test a region is fine where p_fine > threshold, in [0, 1].
        budget: at test the most regions that may be fine, those of the highest p_fine: a number (int), a share (float), or
            None.
        frozen: see `BaseGate.freeze`; for a gate whose weights come with those of its host.

    Raises:
        ValueError: an argument is out of its range; the forward pass says so of a threshold or budget set later.
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
        super().__init__(coarse_patch_size)
        if not 0 < init_p_fine < 1:
            raise ValueError(f'init_p_fine must lie in (0, 1), got {init_p_fine}')
        self.in_channels = in_channels
        self.temperature = temperature
        self.threshold = threshold
        self.budget = budget
        self.check_settings()
        dims = [in_channels * coarse_patch_size**2, *hidden_dims]
        layers: list[nn.Module] = []
        for width_in, width_out in zip(dims, dims[1:], strict=False):
            layers += [Linear(width_in, width_out), nn.GELU()]
        self.mlp = nn.Sequential(*layers, Linear(dims[-1], 1))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
                nn.init.zeros_(layer.bias)
        # a quiet last layer: at first every region gets about init_p_fine
        nn.init.normal_(self.mlp[-1].weight, std=0.01)
        nn.init.constant_(self.mlp[-1].bias, math.log(init_p_fine / (1 - init_p_fine)))
        if frozen:
            self.freeze()

    def logits(self, images: Tensor) -> Tensor:
        """Log-odds of fine, (B, Hc, Wc); under autocast too in full precision, so that no decision depends on it."""
        with torch.autocast(images.device.type, enabled=False):
            regions = patchify(images.to(self.mlp[0].weight.dtype), self.coarse_patch_size)
            return self.mlp(regions).squeeze(-1).float()

    def forward(self, images: Tensor) -> GateOutput:
        logits = self.logits(images)
        if self.training:
            p_fine = sample_relaxed_bernoulli(logits, self.temperature)
            return GateOutput(p_fine, p_fine > 0.5)
        self.check_settings()
        p_fine = logits.sigmoid()
        return GateOutput(p_fine, limit_fine_regions(p_fine > self.threshold, p_fine, self.budget))

    def check_settings(self) -> None:
        """Raise ValueError if a setting that may change at any time is out of its range."""
        if not self.temperature > 0:
            raise ValueError(f'temperature must be positive, got {self.temperature}')
        if not 0 <= self.threshold <= 1:
            raise ValueError(f'threshold must lie in [0, 1], got {self.threshold}')
        check_budget(self.budget)
