"""Gate values of past images, where a batch alone is too small for a distribution."""

import torch
from torch import Tensor, nn


class ValueMemory(nn.Module):
    """First in, first out: the gate values of the last ``images`` images, without gradient and without a place in checkpoints.

    Args:
        images: how many images are remembered, at least 1.
        positions: T, gate values of an image.
    """

    rows: Tensor

    def __init__(self, images: int, positions: int):
        super().__init__()
        # of fixed shape, as averaged copies of a model copy buffers in place; newest image first
        self.register_buffer('rows', torch.zeros(images, positions), persistent=False)
        self._filled = 0

    @property
    def values(self) -> Tensor:
        """(n, T), what is remembered so far, n <= images."""
        return self.rows[: self._filled]

    @torch.no_grad()
    def add(self, m: Tensor) -> None:
        """Remember the values (B, T) of a batch; the oldest are forgotten."""
        rows = torch.cat([m.to(self.rows), self.rows])[: len(self.rows)]
        self.rows.copy_(rows)
        self._filled = min(self._filled + len(m), len(self.rows))
