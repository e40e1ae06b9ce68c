"""Listening to the token counts of backbones at test, for metrics and reports."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from torch import Tensor

from ..exporting import is_exporting
from ..tokens import TokenGrid, TokenIndex
from .macs import Macs

if TYPE_CHECKING:
    from .gated import GatedBackbone


class Decided(NamedTuple):
    """What is recorded of a forward pass that has no `TokenIndex`."""

    grid: TokenGrid
    counts: Tensor
    fine_mask: Tensor


class TokenRecord(NamedTuple):
    """What one forward pass used: the backbone, its grid, the (B,) tokens of each image without prefix tokens, and the
    (B, Hc, Wc) decisions."""

    backbone: 'GatedBackbone'
    grid: TokenGrid
    counts: Tensor
    fine_mask: Tensor

    def macs(self) -> Macs:
        """Count the multiply-accumulates of each image."""
        return self.backbone.macs(self.grid, self.counts, self.fine_mask)


class TokenTrace:
    """Collects a `TokenRecord` from every forward pass of any mixed-scale backbone in evaluation mode, as long as it lives.

    Args:
        capacity: records kept if nobody drains them; the oldest go first.
    """

    def __init__(self, capacity: int = 10_000):
        self._records: deque[TokenRecord] = deque(maxlen=capacity)
        _open_traces.add(self)

    def drain(self) -> list[TokenRecord]:
        """Hand over the records since the last call, oldest first."""
        records = list(self._records)
        self._records.clear()
        return records


_open_traces: WeakSet[TokenTrace] = WeakSet()


_paused = 0


@contextmanager
def untraced() -> Iterator[None]:
    """Keep the forward passes within this context out of what is measured, such as those of a teacher."""
    global _paused
    _paused += 1
    try:
        yield
    finally:
        _paused -= 1


def record(backbone: 'GatedBackbone', index: 'TokenIndex | Decided') -> None:
    """Add a forward pass to every open trace."""
    for trace in () if _paused or is_exporting() else _open_traces:
        trace._records.append(TokenRecord(backbone, index.grid, index.counts, index.fine_mask))
