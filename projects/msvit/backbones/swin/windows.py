"""Windows over the cells of a hierarchical transformer, and which rows of memory each reads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ...exporting import cached_map
from .cells import CellGrid

# Added to the scores of pairs that only a cyclic shift brought into one window, as all Swins do.
_APART = -100.0


@dataclass(frozen=True)
class WindowGrid:
    """Windows over the cells of a stage, as timm's Swin lays them: shifted cyclically first, then padded at the end.

    Args:
        cells: the stage.
        window: height and width in cells, at least 1.
        shift: down and to the right in cells, smaller than the window; 0 along an axis that one window covers.
    """

    cells: CellGrid
    window: tuple[int, int]
    shift: tuple[int, int] = (0, 0)

    @property
    def area(self) -> int:
        return self.window[0] * self.window[1]

    @property
    def has_padding(self) -> bool:
        """Whether some slots hold no cell."""
        return bool(self.cells.height % self.window[0] or self.cells.width % self.window[1])

    def slots(self, device: torch.device | None = None) -> Tensor:
        """The place in memory of the cell in each slot, (windows, area); the number of cells for padding."""
        return _slots(self, torch.device(device or 'cpu'))

    def patterns(self, device: torch.device | None = None) -> tuple[Tensor, Tensor] | None:
        """Tell what keeps cells apart that only the shift brought together; None without shift.

        Returns:
            (windows,), the pattern of each window, and (patterns, area, area), added to the scores of query and key.
        """
        return _patterns(self, torch.device(device or 'cpu')) if any(self.shift) else None


class Windows:
    """Windows that run, with the rows that they read: their present cells, window after window.

    Args:
        rows: (n,), the row of each present cell.
        slot_rows: (W, area), for each slot the position in ``rows``, n where there is none.
        keys: (W, area) bool, slots that count as keys: present cells and Swin's own padding; None for all.
        padding: (W, area) bool, slots of Swin's own padding; None without.
        pattern: (W,), which of ``pair_masks`` holds in each window; None without shift.
        pair_masks: (patterns, area, area), see `WindowGrid.patterns`; None without shift.
    """

    def __init__(
        self,
        rows: Tensor,
        slot_rows: Tensor,
        keys: Tensor | None = None,
        padding: Tensor | None = None,
        pattern: Tensor | None = None,
        pair_masks: Tensor | None = None,
    ):
        self.rows, self.slot_rows, self.keys, self.padding = rows, slot_rows, keys, padding
        self.pattern, self.pair_masks = pattern, pair_masks
        self._indices: dict[tuple[str, int], Tensor] = {}

    def __len__(self) -> int:
        """Tell how many windows run."""
        return len(self.slot_rows)

    @cached_property
    def row_positions(self) -> Tensor:
        """The position of each row in ``rows``, (n,)."""
        with torch.inference_mode(False):  # it is cached with dense windows
            return torch.argsort(self.rows)

    @property
    def is_full(self) -> bool:
        """Whether every slot holds a present cell."""
        return len(self.rows) == self.slot_rows.numel()

    def inward(self, heads: int) -> Tensor:
        """Index the rows' queries, keys and values, (n, 3, heads) flat, in the order of the slots, (3, W, heads, area) flat.

        Slots without a row get that of any row.
        """
        return self._index('inward', heads, _inward)

    def outward(self, heads: int) -> Tensor:
        """Index the slots' outputs, (W, heads, area) flat, in the order of the rows, (n, heads) flat."""
        return self._index('outward', heads, _outward)

    def padding_slots(self, heads: int) -> Tensor:
        """Tell where slots of padding lie among (3, W, heads, area), (3, slots, heads)."""
        return self._index('padding', heads, _padding_slots)

    def _index(self, name: str, heads: int, find: Callable[['Windows', int], Tensor]) -> Tensor:
        if (name, heads) not in self._indices:
            with torch.inference_mode(False):  # it is cached with dense windows
                self._indices[name, heads] = find(self, heads)
        return self._indices[name, heads]

    def split(self, max_rows: int) -> list['Windows']:
        """The same windows in groups of about so many rows."""
        count = min(-(-len(self.rows) // max_rows), len(self))
        if count <= 1:
            return [self]
        step = -(-len(self) // count)
        starts = list(range(0, len(self), step))
        rows = (self.slot_rows < len(self.rows)).sum(dim=1).cumsum(0)
        ends = rows[[min(start + step, len(self)) - 1 for start in starts]].tolist()
        return [self._part(start, start + step, *ends) for start, *ends in zip(starts, [0, *ends], ends, strict=False)]

    def _part(self, first: int, last: int, first_row: int, last_row: int) -> 'Windows':
        slot_rows = self.slot_rows[first:last]
        slot_rows = (slot_rows - first_row).where(slot_rows < len(self.rows), last_row - first_row)
        keys, padding, pattern = (None if x is None else x[first:last] for x in (self.keys, self.padding, self.pattern))
        return Windows(self.rows[first_row:last_row], slot_rows, keys, padding, pattern, self.pair_masks)


def running_windows(grid: WindowGrid, present: Tensor) -> Tensor:
    """Tell which windows hold a present cell.

    Args:
        grid: the windows.
        present: (B, N) bool by place.

    Returns:
        (B, windows) bool.
    """
    return _held(grid, present).any(dim=2)


def _inward(windows: Windows, heads: int) -> Tensor:
    rows = windows.slot_rows.clamp(max=max(len(windows.rows) - 1, 0))
    part = torch.arange(3, device=rows.device)[:, None, None, None]
    head = torch.arange(heads, device=rows.device)[:, None]
    return ((rows[:, None] * (3 * heads) + head) + part * heads).flatten()


def _outward(windows: Windows, heads: int) -> Tensor:
    held = windows.slot_rows.flatten() < len(windows.rows)
    return _slots_of_heads(held.nonzero(), windows, heads).flatten()


def _padding_slots(windows: Windows, heads: int) -> Tensor:
    assert windows.padding is not None
    slots = _slots_of_heads(windows.padding.flatten().nonzero(), windows, heads)
    part = torch.arange(3, device=slots.device)[:, None, None]
    return slots + part * (windows.slot_rows.numel() * heads)


def _slots_of_heads(slots: Tensor, windows: Windows, heads: int) -> Tensor:
    """Slots (k, 1) among (W, area) -> (k, heads) among (W, heads, area)."""
    area = windows.slot_rows.shape[1]
    head = torch.arange(heads, device=slots.device)
    return slots + (slots // area * (heads - 1) + head) * area


def _held(grid: WindowGrid, present: Tensor) -> Tensor:
    """Tell which slots hold a present cell, (B, windows, area)."""
    slots = grid.slots(present.device)
    return F.pad(present, (0, 1))[:, slots.flatten()].unflatten(1, slots.shape)


def find_windows(grid: WindowGrid, present: Tensor, row_of_place: Tensor) -> Windows:
    """The windows of a batch that hold a present cell.

    Args:
        grid: the windows of one image.
        present: (B, N) bool by place.
        row_of_place: (B, N + 1), the row of each present cell.
    """
    slots = grid.slots(present.device)
    held = _held(grid, present).flatten(0, 1)
    windows = held.any(dim=1).nonzero().squeeze(1)
    held = held.index_select(0, windows)
    kind = windows % len(slots)
    position = (held.flatten().cumsum(0) - 1).view(held.shape)
    inside = held.flatten().nonzero().squeeze(1)
    places = row_of_place[:, slots.flatten()].view(-1, grid.area)
    rows = places.index_select(0, windows).flatten().index_select(0, inside)
    padding = (slots == grid.cells.num_cells).index_select(0, kind) if grid.has_padding else None
    keys = held if padding is None else held | padding
    pattern, masks = grid.patterns(present.device) or (None, None)
    return Windows(
        rows,
        position.where(held, len(rows)),
        None if keys.all() else keys,
        padding,
        None if pattern is None else pattern.index_select(0, kind),
        masks,
    )


@cached_map(maxsize=256)
def _slots(grid: WindowGrid, device: torch.device) -> Tensor:
    cells, (high, wide) = grid.cells, grid.window
    rows, columns = (
        _shifted(length, window, shift, device)
        for length, window, shift in zip((cells.height, cells.width), grid.window, grid.shift, strict=True)
    )
    cell = rows[:, None] * cells.width + columns
    padding = (rows[:, None] == cells.height) | (columns == cells.width)
    places = cells.place(device)[cell.where(~padding, 0)].where(~padding, cells.num_cells)
    windows = places.view(len(rows) // high, high, len(columns) // wide, wide).transpose(1, 2)
    return windows.reshape(-1, grid.area)


def _shifted(length: int, window: int, shift: int, device: torch.device) -> Tensor:
    """The coordinate at each position of an axis after shift and padding; ``length`` for padding."""
    padded = -(-length // window) * window
    position = torch.arange(padded, device=device)
    return ((position + shift) % length).where(position < length, length)


@cached_map(maxsize=256)
def _patterns(grid: WindowGrid, device: torch.device) -> tuple[Tensor, Tensor]:
    # Only the last window along a shifted axis holds cells from both ends: its last ``shift`` positions are another part.
    counts = [-(-length // side) for length, side in zip((grid.cells.height, grid.cells.width), grid.window, strict=True)]
    y, x = torch.meshgrid(*(torch.arange(count, device=device) == count - 1 for count in counts), indexing='ij')
    masks = []
    for last_y in (False, True):
        for last_x in (False, True):
            part_y, part_x = (
                torch.arange(side, device=device) >= (side - shift if last else side)
                for side, shift, last in zip(grid.window, grid.shift, (last_y, last_x), strict=True)
            )
            part = (part_y[:, None] * 2 + part_x.int()).flatten()
            masks.append((part[:, None] != part) * _APART)
    return (y * 2 + x.int()).flatten(), torch.stack(masks)
