"""What lies in the regions that a gate makes fine."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class FineShare(NamedTuple):
    """Share of fine regions, each in [0, 1]; NaN where there is no such region.

    Args:
        foreground: among the regions that hold foreground.
        background: among the regions that hold none.
        foreground_regions: share of the regions that hold foreground.
    """

    foreground: float
    background: float
    foreground_regions: float


def holds_foreground(labels: Tensor, coarse_patch_size: int, background: int = 0, ignore_index: int = 255) -> Tensor:
    """Tell which regions hold at least one foreground pixel.

    Args:
        labels: (B, H, W) class indices.
        coarse_patch_size: side of a region in pixels.
        background: the class that is no foreground.
        ignore_index: label of pixels that count as neither.

    Returns:
        (B, Hc, Wc) bool.
    """
    foreground = ((labels != background) & (labels != ignore_index)).float().unsqueeze(1)
    return F.max_pool2d(foreground, coarse_patch_size, ceil_mode=True).squeeze(1) > 0


def fine_share(fine_mask: Tensor, foreground: Tensor) -> FineShare:
    """Compare a gate's decisions with what the regions hold.

    Args:
        fine_mask: (B, Hc, Wc) bool.
        foreground: (B, Hc, Wc) bool, see `holds_foreground`.
    """
    fine = fine_mask.double()
    nan = torch.tensor(float('nan'))
    on, off = (fine[regions].mean() if regions.any() else nan for regions in (foreground, ~foreground))
    return FineShare(on.item(), off.item(), foreground.double().mean().item())
