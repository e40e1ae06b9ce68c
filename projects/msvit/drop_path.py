"""Stochastic depth that drops images, in any layout."""

import torch
from torch import Tensor

from .checks import check_drop_rate
from .tokens import Segments


def drop_images(x: Tensor, rate: float, segments: Segments | None = None) -> Tensor:
    """Drop the residual branch of some images in training; in a packed row timm's `DropPath` would drop the whole batch.

    Args:
        x: what leaves the branch, (B, N, C), or (1, sum N_b, C) for a packed row.
        rate: probability that an image skips the branch, in [0, 1); 0 draws no random number.
        segments: the images of a packed row; None where images lie in the batch dimension.

    Returns:
        The shape of ``x``: 0 for dropped images, the others enlarged by 1 / (1 - rate).
    """
    if rate == 0:
        return x
    images = x.shape[0] if segments is None else len(segments.lengths)
    keep = torch.rand(images, 1, 1, device=x.device) >= rate
    scale = keep.to(x.dtype) / (1 - rate)
    if segments is not None:
        counts = segments.offsets.diff()
        scale = scale.flatten().repeat_interleave(counts, output_size=x.shape[1])[None, :, None]
    return x * scale


def drop_path_rates(last_rate: float, depth: int) -> list[float]:
    """Let stochastic depth grow linearly from 0 at the first block.

    Args:
        last_rate: of the last block, in [0, 1).
        depth: blocks.

    Raises:
        ValueError: the rate is out of its range.
    """
    check_drop_rate('drop_path_rate', last_rate)
    return [last_rate * i / max(depth - 1, 1) for i in range(depth)]
