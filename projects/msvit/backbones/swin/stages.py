"""Where the cells of a batch lie in memory at each stage of a hierarchical transformer."""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ...exporting import cached_map
from ...tokens.grid import TokenGrid
from ...tokens.index import Segments
from .cells import CellGrid, take_rows
from .windows import WindowGrid, Windows, find_windows, running_windows

# Maps of dense grids that many cells use are cached; larger ones would fill the memory.
_CACHED_CELLS = 2**15


class CellRows:
    """The cells of a batch that lie in memory at one stage: one row, image after image, each in the order of its grid.

    Args:
        cells: the stage's grid.
        batch: images.
        present: (B, N) bool by place, the cells in the row; None for all.
        weight: (B, N) float by place, how often each cell counts as an attention key; None: once. Where a query meets no key
            at all, all keys that it meets count.
        device: of the indices; by default that of ``present``.
    """

    def __init__(
        self,
        cells: CellGrid,
        batch: int,
        present: Tensor | None = None,
        weight: Tensor | None = None,
        device: torch.device | None = None,
    ):
        self.cells, self.batch, self.present = cells, batch, present
        self.device = torch.device(device or 'cpu') if present is None else present.device
        self.weight = None if weight is None else self.select(weight)
        self._windows: dict[tuple, list[tuple[Windows, Tensor | None]]] = {}

    @cached_property
    def places(self) -> Tensor:
        """The place (through all images) of each row, (n,); only where some are absent."""
        assert self.present is not None
        return self.present.flatten().nonzero().squeeze(1)

    def __len__(self) -> int:
        """The rows."""
        return self.batch * self.cells.num_cells if self.present is None else len(self.places)

    @cached_property
    def row_of_place(self) -> Tensor:
        """The row of each place, and of one place behind the last (padding) the number of rows, (B, N + 1)."""
        if self.present is None:
            rows = torch.arange(len(self), device=self.device).view(self.batch, -1)
        else:
            rows = (self.present.flatten().cumsum(0) - 1).view(self.present.shape)
        return F.pad(rows, (0, 1), value=len(self))

    @property
    def counts(self) -> Tensor:
        """Rows of each image, (B,)."""
        if self.present is None:
            return torch.full((self.batch,), self.cells.num_cells, device=self.device)
        return self.present.sum(dim=1)

    @cached_property
    def segments(self) -> Segments:
        """The images in the row."""
        counts = self.counts
        return Segments(counts.tolist(), F.pad(counts.cumsum(0), (1, 0)).int())

    def select(self, values: Tensor) -> Tensor:
        """Values by place, (B, N, ...) -> rows (n, ...)."""
        values = values.flatten(0, 1)
        return values if self.present is None else values.index_select(0, self.places)

    def merge_index(self, merged: 'CellRows') -> Tensor | None:
        """The rows that each row of the next stage joins, (4 * n_merged,), the number of rows for padding; None if they are
        simply 0, 1, 2, ..."""
        children = self.cells.children(self.device)
        if children is None:
            return None
        return merged.select(self.row_of_place[:, children]).flatten()

    def windows(
        self, window: tuple[int, int], shift: tuple[int, int], max_rows: int | None = None
    ) -> list[tuple[Windows, Tensor | None]]:
        """The windows that hold a present cell, in groups of about ``max_rows`` rows, each with the weights of its keys.

        Returns:
            Windows, and (W, area) weights or None for all ones. The same objects at every call.
        """
        key = (window, shift, max_rows)
        if key not in self._windows:
            grid = WindowGrid(self.cells, window, shift)
            if self.present is not None:
                windows = find_windows(grid, self.present, self.row_of_place)
                parts = [windows] if max_rows is None else windows.split(max_rows)
            elif len(self) <= _CACHED_CELLS:
                parts = _dense_windows(grid, self.batch, max_rows, self.device)
            else:
                parts = _dense_windows.__wrapped__(grid, self.batch, max_rows, self.device)
            self._windows[key] = [(part, self._weight_of(part)) for part in parts]
        return self._windows[key]

    def count_windows(self, grid: WindowGrid) -> Tensor:
        """Count the windows of each image that hold a present cell, (B,) float."""
        present = self.present
        if present is None:
            present = torch.ones(self.batch, self.cells.num_cells, dtype=torch.bool, device=self.device)
        return running_windows(grid, present).sum(dim=1).double()

    def _weight_of(self, windows: Windows) -> Tensor | None:
        if self.weight is None:
            return None if windows.keys is None else windows.keys.float()
        padding = self.weight.new_ones(1)
        weight = torch.cat((self.weight.index_select(0, windows.rows), padding))[windows.slot_rows]
        if windows.keys is not None:
            return weight * windows.keys
        # what the shift keeps apart are several windows in one
        masks, pattern = windows.pair_masks, windows.pattern
        together = True if masks is None or pattern is None else masks[pattern] == 0
        read = ((weight > 0).unsqueeze(1) & together).any(dim=2)
        return weight.where(read, 1.0)


@cached_map(maxsize=64)
def _dense_windows(grid: WindowGrid, batch: int, max_rows: int | None, device: torch.device) -> list[Windows]:
    rows = CellRows(grid.cells, batch, device=device).row_of_place
    present = torch.ones(batch, grid.cells.num_cells, dtype=torch.bool, device=device)
    windows = find_windows(grid, present, rows)
    return [windows] if max_rows is None else windows.split(max_rows)


class Stages:
    """The cells of a batch at all stages, when coarse regions enter at one of them (section E.3).

    Before the entry stage the cells of fine regions alone lie in memory (``'packed'``), or all do and absent ones count 0
    times as attention keys (``'masked'``). From there on there is one cell for each region, or less: all are present.

    Args:
        grid: of the images, with the cells of the first stage as fine ones.
        count: stages.
        entry: the stage, counted from 0, whose cells are the regions.
        fine_mask: (B, Hc, Wc) bool, True = the region is fine.
        gate: (B, Hc, Wc) float, the value of ``fine_mask`` with the gate's straight-through gradient; None when nothing
            trains it.
        masked: the layout.
    """

    def __init__(
        self, grid: TokenGrid, count: int, entry: int, fine_mask: Tensor, gate: Tensor | None = None, masked: bool = False
    ):
        self.entry, self.batch, self.masked, device = entry, len(fine_mask), masked, fine_mask.device
        cells = [CellGrid(*grid.fine_shape, count - 1)]
        for _ in range(count - 1):
            cells.append(cells[-1].merged)
        order = cells[entry].order(device)
        self.fine = fine_mask.flatten(1)[:, order]
        """(B, Nc) bool, the decisions in the order in which regions lie in memory."""
        self.gate = None if gate is None else gate.flatten(1)[:, order]
        self.all_fine = not masked and bool(self.fine.all())
        weight = self.fine.float() if masked and gate is None else self.gate
        self.fine_rows = []
        """Of the stages up to the entry: the cells of fine regions, or all if masked."""
        for i in range(entry + 1):
            region = cells[i].paths(entry - i, device) // 4 ** (entry - i)
            present = None if masked or self.all_fine else self.fine[:, region]
            weights = None if weight is None else weight[:, region]
            self.fine_rows.append(CellRows(cells[i], self.batch, present, weights, device))
        self.rows = self.fine_rows[:entry] + [CellRows(c, self.batch, device=device) for c in cells[entry:]]
        """Of every stage: the cells that its blocks work on."""

    @cached_property
    def coarse(self) -> Tensor:
        """The coarse regions, through all images, (n_c,)."""
        return (~self.fine).flatten().nonzero().squeeze(1)

    def fine_pixels(self, regions: Tensor, patch_size: int) -> Tensor:
        """The pixels of the first stage's cells.

        Args:
            regions: (B * Nc, C * S_c * S_c), in the order of memory.
            patch_size: side of a cell.

        Returns:
            (n, C * S_f * S_f), in the order of ``rows[0]``.
        """
        rows, levels = self.fine_rows[self.entry], self.entry
        regions = rows.select(regions.unflatten(0, (self.batch, -1)))
        sides = (*[2] * levels, patch_size)
        channels = regions.shape[1] // (2**levels * patch_size) ** 2
        pixels = regions.view(len(regions), channels, *sides, *sides)
        # behind the channels: y and x of the cells, coarsest first, and of the pixels in them
        y, x = range(2, 2 + levels), range(3 + levels, 3 + 2 * levels)
        pairs = [axis for pair in zip(x, y, strict=True) for axis in pair]
        pixels = pixels.permute(0, *pairs, 1, 2 + levels, 3 + 2 * levels)
        pixels = pixels.reshape(len(regions) * 4**levels, channels * patch_size**2)
        if self.rows[0].cells.num_cells == self.fine.shape[1] * 4**levels:
            return pixels
        return pixels.index_select(0, self.rows[0].select(self._way_down(0, rows.row_of_place)))

    def ordered(self, regions: Tensor) -> Tensor:
        """Bring what belongs to regions, (B, Hc, Wc, C), into the order of memory, (B * Nc, C)."""
        return take_rows(regions.flatten(0, 2), self._of_images(self.rows[self.entry].cells.order(self.fine.device)))

    def join(self, i: int, fine: Tensor, coarse: Tensor) -> Tensor:
        """The features of all cells of a stage up to the entry, from those of fine and coarse regions.

        With a gate that trains the choice passes its gradient: straight through, each side counts as the gate says.

        Args:
            i: the stage, counted from 0.
            fine: (n, C), the cells of ``fine_rows[i]``.
            coarse: (n_c, C), of coarse regions; (B * Nc, C), of all, if masked. Each fills all its cells.

        Returns:
            (B * N, C), in the order of memory.
        """
        levels = self.entry - i
        if self.gate is not None:
            weight = 1 - (self.gate.flatten() if self.masked else self.gate.flatten()[self.coarse])
            fine = fine * self.fine_rows[i].weight.to(fine.dtype).unsqueeze(1)
            coarse = coarse * weight.to(coarse.dtype).unsqueeze(1)
        elif not len(coarse) and not torch.is_grad_enabled():
            return fine
        coarse = coarse.unsqueeze(1).expand(-1, 4**levels, -1).reshape(-1, coarse.shape[1]).to(fine.dtype)
        if self.masked:
            if self.rows[i].cells.num_cells < self.fine.shape[1] * 4**levels:
                regions = torch.arange(self.fine.numel(), device=fine.device).view(self.fine.shape)
                coarse = take_rows(coarse, self._way_down(i, regions).flatten())
            return fine + coarse if self.gate is not None else fine.where(self.fine_rows[i].weight.unsqueeze(1) > 0, coarse)
        rank = (~self.fine).flatten().cumsum(0).view(self.fine.shape) - 1
        region = self.fine_rows[i].cells.paths(levels, fine.device) // 4**levels
        index = self.fine_rows[i].row_of_place[:, :-1].where(self.fine[:, region], len(fine) + self._way_down(i, rank))
        return take_rows(torch.cat((fine, coarse)), index.flatten())

    def to_map(self, i: int, x: Tensor) -> Tensor:
        """All cells of a stage, (B * N, C) in the order of memory -> (B, C, H, W), contiguous: mmcv's operators need it."""
        cells = self.rows[i].cells
        if cells.mergings:
            x = take_rows(x, self._of_images(cells.place(x.device)))
        return x.view(self.batch, cells.height, cells.width, -1).permute(0, 3, 1, 2).contiguous()

    def _way_down(self, i: int, region: Tensor) -> Tensor:
        """Regions numbered by (B, Nc or more) -> the number of each cell (B, N) of a stage, if all had all their cells."""
        levels = self.entry - i
        paths = self.rows[i].cells.paths(levels, region.device)
        return region[:, paths // 4**levels] * 4**levels + paths % 4**levels

    def _of_images(self, index: Tensor) -> Tensor:
        """An index into one image's (N) -> into all images', (B * N,)."""
        return (index + torch.arange(self.batch, device=index.device)[:, None] * len(index)).flatten()
