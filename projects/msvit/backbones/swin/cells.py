"""The cells of hierarchical transformers: their order in memory, and taking rows of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...exporting import cached_map, is_exporting


@dataclass(frozen=True)
class CellGrid:
    """The cells of one stage of a hierarchical transformer, in the order in which they lie in memory.

    Merging joins 2 x 2 cells. The four lie side by side, column by column as timm concatenates them, and so do the parents of
    cells that merge later: merging is a view of the memory wherever both sides are even.

    Args:
        height: cells.
        width: cells.
        mergings: how often the cells are still to be merged.
    """

    height: int
    width: int
    mergings: int = 0

    @property
    def num_cells(self) -> int:
        return self.height * self.width

    @property
    def merged(self) -> 'CellGrid':
        """The grid after one merging; odd sides are padded."""
        return CellGrid(-(-self.height // 2), -(-self.width // 2), max(self.mergings - 1, 0))

    def order(self, device: torch.device | None = None) -> Tensor:
        """The cell (numbered row by row) at each place in memory, (N,)."""
        return _order(self, torch.device(device or 'cpu'))

    def place(self, device: torch.device | None = None) -> Tensor:
        """The place in memory of each cell (numbered row by row), (N,)."""
        return _place(self, torch.device(device or 'cpu'))

    def children(self, device: torch.device | None = None) -> Tensor | None:
        """The places of the four cells that each merged cell joins, (N_merged, 4), N for padding; None if they are simply 0,
        1, 2, ..."""
        return _children(self, torch.device(device or 'cpu'))

    def paths(self, levels: int, device: torch.device | None = None) -> Tensor:
        """Number each cell (by its place in memory) as if all cells of the grid so many mergings later had 4 ** levels cells.

        Returns:
            (N,): place of the merged cell * 4 ** levels + number of the cell among those that it joins.
        """
        return _paths(self, levels, torch.device(device or 'cpu'))


def take_rows(table: Tensor, index: Tensor) -> Tensor:
    """``table.index_select(0, index)``, for rows that are taken at most once each: the backward pass copies instead of adding.

    Args:
        table: (N, C).
        index: (n,). The last row of ``table`` may be taken often if nobody reads its gradient.

    Returns:
        (n, C).
    """
    if torch.is_grad_enabled() and table.requires_grad and not is_exporting():
        return _TakeRows.apply(table, index)
    return table.index_select(0, index)


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape = table.shape
        return table.index_select(0, index)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (index,) = ctx.saved_tensors
        return grad.new_zeros(ctx.shape).index_copy_(0, index, grad), None


@cached_map(maxsize=256)
def _family(cells: CellGrid, device: torch.device) -> tuple[Tensor, Tensor]:
    """The four cells (numbered row by row) of each merged one in its order, (N_merged, 4), and which of them exist."""
    merged = cells.merged
    parents = _order(merged, device)
    y, x = parents // merged.width * 2, parents % merged.width * 2
    child = torch.arange(4, device=device)
    y, x = y[:, None] + child % 2, x[:, None] + child // 2
    return y * cells.width + x, (y < cells.height) & (x < cells.width)


@cached_map(maxsize=256)
def _order(cells: CellGrid, device: torch.device) -> Tensor:
    if cells.mergings == 0:
        return torch.arange(cells.num_cells, device=device)
    family, exists = _family(cells, device)
    return family[exists]


@cached_map(maxsize=256)
def _place(cells: CellGrid, device: torch.device) -> Tensor:
    return torch.argsort(_order(cells, device))


@cached_map(maxsize=256)
def _children(cells: CellGrid, device: torch.device) -> Tensor | None:
    _, exists = _family(cells, device)
    if exists.all():
        return None
    places = (exists.flatten().cumsum(0) - 1).view(exists.shape)
    return places.where(exists, cells.num_cells)


@cached_map(maxsize=256)
def _paths(cells: CellGrid, levels: int, device: torch.device) -> Tensor:
    if levels == 0:
        return torch.arange(cells.num_cells, device=device)
    _, exists = _family(cells, device)
    return (_paths(cells.merged, levels - 1, device)[:, None] * 4 + torch.arange(4, device=device))[exists]
