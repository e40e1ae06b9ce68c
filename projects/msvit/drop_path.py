"""Stochastic depth that drops images, in any layout."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .checks import check_drop_rate
from .tokens import TokenIndex


class ImageDropPath(nn.Module):
    """Drop the residual branch of whole images; in a packed row timm's `DropPath` would drop the whole batch at once.

    Args:
        rate: probability that an image skips the branch, in [0, 1).
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        self.index: TokenIndex | None = None  # of the tokens on their way through the block

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        segments = self.index.segments
        images = len(x) if segments is None else len(segments.lengths)
        keep = torch.rand(images, 1, 1, device=x.device) >= self.rate
        scale = keep.to(x.dtype) / (1 - self.rate)
        if segments is not None:
            counts = segments.offsets.diff()
            scale = scale.flatten().repeat_interleave(counts, output_size=x.shape[1])[None, :, None]
        return x * scale

    def extra_repr(self) -> str:
        return f'rate={self.rate:.3g}'


def add_drop_path(blocks: Sequence[nn.Module], last_rate: float) -> None:
    """Give timm's blocks stochastic depth, of a rate that grows linearly from 0 at the first block.

    Args:
        blocks: in the order in which they run.
        last_rate: of the last block, in [0, 1).

    Raises:
        ValueError: the rate is out of its range.
    """
    check_drop_rate('drop_path_rate', last_rate)
    for i, block in enumerate(blocks):
        rate = last_rate * i / max(len(blocks) - 1, 1)
        if rate > 0:
            block.drop_path1, block.drop_path2 = ImageDropPath(rate), ImageDropPath(rate)


@contextmanager
def announced_index(module: nn.Module, index: TokenIndex) -> Iterator[None]:
    """Tell every `ImageDropPath` in a module how the tokens lie, as long as the context lasts."""
    parts = [part for part in module.modules() if isinstance(part, ImageDropPath)] if module.training else []
    for part in parts:
        part.index = index
    try:
        yield
    finally:
        for part in parts:  # an index may hold a graph, with which no module can be copied
            part.index = None
