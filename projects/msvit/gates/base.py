"""What every gate gives and takes."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..checks import is_count
from ..exporting import is_exporting

Gate = TypeVar('Gate', bound='BaseGate')


class GateOutput(NamedTuple):
    """A gate's decision.

    The paper's equations 11-13 let m = 1 keep the coarse token; here 1 and True mean fine, as in the paper's figures and
    targets.

    Args:
        p_fine: (B, Hc, Wc) float in [0, 1], the (relaxed) probability that a region is fine.
        fine_mask: (B, Hc, Wc) bool, True = the region is split into fine tokens.
    """

    p_fine: Tensor
    fine_mask: Tensor

    def straight_through(self) -> Tensor | None:
        """Make ``fine_mask`` float with the gradient of ``p_fine`` (equation 12); None when there is no gradient to pass."""
        if is_exporting() or not (torch.is_grad_enabled() and self.p_fine.requires_grad):
            return None
        # p - p first: mask + p - p would round, and a weight of 6e-8 instead of 0 lets absent tokens through
        return (self.p_fine - self.p_fine.detach()) + self.fine_mask.to(self.p_fine.dtype)


class BaseGate(nn.Module, ABC):
    """A map from images to a scale for each region.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
    """

    def __init__(self, coarse_patch_size: int = 32):
        super().__init__()
        if not is_count(coarse_patch_size, 1):
            raise ValueError(f'coarse_patch_size must be at least 1 pixel, got {coarse_patch_size!r}')
        self.coarse_patch_size = coarse_patch_size
        self.frozen = False

    @abstractmethod
    def forward(self, images: Tensor) -> GateOutput:
        """Decide for every region of (B, C, H, W) images, sides multiples of ``coarse_patch_size``."""

    def replay_key(self) -> Hashable | None:
        """Give all that a decision depends on at test beside images and tensors of the gate, so that a CUDA graph may stand
        for it; None where that is not known."""
        return None

    def freeze(self: Gate) -> Gate:
        """Keep the weights, and decide as at test from now on, also while the host trains."""
        self.frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self: Gate, mode: bool = True) -> Gate:
        """Set training mode; a frozen gate stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of deciding for one image of ``height`` x ``width`` regions, by running it once.

        A gate whose count has a formula overrides this.
        """
        size = self.coarse_patch_size
        like = next((tensor for tensor in self.parameters()), torch.empty(0))
        images = like.new_zeros(1, getattr(self, 'in_channels', 3), height * size, width * size)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self(images)
        return counter.get_total_flops() // 2

    def region_shape(self, images: Tensor) -> tuple[int, int]:
        """Count the regions of padded images, (Hc, Wc)."""
        return images.shape[-2] // self.coarse_patch_size, images.shape[-1] // self.coarse_patch_size
