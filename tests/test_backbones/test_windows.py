"""Cells, windows and stages of hierarchical transformers, against rolling, padding and cutting as timm's Swin does."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.swin_transformer import SwinTransformerBlock, window_partition

from msvit.backbones.swin.cells import CellGrid, take_rows
from msvit.backbones.swin.stages import CellRows, Stages
from msvit.backbones.swin.windows import WindowGrid, running_windows
from msvit.tokens import TokenGrid

SHAPES = [(8, 8), (4, 12), (5, 7), (13, 6), (1, 3), (1, 1)]
shapes = pytest.mark.parametrize('shape', SHAPES)
mergings = pytest.mark.parametrize('mergings', [0, 1, 3])
LAID = [
    ((8, 8), (4, 4), (0, 0)),
    ((8, 8), (4, 4), (2, 2)),
    ((16, 16), (7, 7), (3, 3)),
    ((9, 15), (7, 3), (3, 1)),
    ((6, 10), (7, 4), (0, 2)),
    ((3, 2), (4, 4), (0, 0)),
]
laid = pytest.mark.parametrize(('shape', 'window', 'shift'), LAID)


def random_mask(*shape: int, share: float = 0.5) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) < share


@shapes
@mergings
def test_every_cell_has_one_place(shape, mergings):
    cells = CellGrid(*shape, mergings)
    assert sorted(cells.order().tolist()) == list(range(cells.num_cells))
    assert torch.equal(cells.order()[cells.place()], torch.arange(cells.num_cells))
    if mergings == 0:
        assert torch.equal(cells.order(), torch.arange(cells.num_cells))


@shapes
@pytest.mark.parametrize('mergings', [1, 3])
def test_children_are_those_that_timm_concatenates(shape, mergings):
    cells = CellGrid(*shape, mergings)
    number = F.pad(torch.arange(cells.num_cells).view(shape), (0, shape[1] % 2, 0, shape[0] % 2), value=-1)
    high, wide = number.shape[0] // 2, number.shape[1] // 2
    expected = number.view(high, 2, wide, 2).permute(0, 2, 3, 1).reshape(high * wide, 4)  # as in PatchMerging.forward
    children = cells.children()
    if children is None:
        children = torch.arange(cells.num_cells).view(-1, 4)
    found = torch.cat((cells.order(), torch.tensor([-1])))[children]
    assert torch.equal(found, expected[cells.merged.order()])
    assert (cells.children() is None) == (shape[0] % 2 == 0 and shape[1] % 2 == 0)


@shapes
@pytest.mark.parametrize('levels', [0, 1, 2, 3])
def test_paths_lead_down_from_the_ancestor(shape, levels):
    cells = CellGrid(*shape, 3)
    ancestors = cells
    for _ in range(levels):
        ancestors = ancestors.merged
    paths = cells.paths(levels)
    y, x = cells.order() // shape[1], cells.order() % shape[1]
    expected = (y // 2**levels) * ancestors.width + x // 2**levels
    assert torch.equal(ancestors.order()[paths // 4**levels], expected)
    assert (paths.diff() > 0).all()  # memory is in the order of the paths


@laid
@mergings
def test_slots_are_timms_roll_pad_and_partition(shape, window, shift, mergings):
    cells = CellGrid(*shape, mergings)
    number = torch.roll(torch.arange(1.0, cells.num_cells + 1).view(1, *shape, 1), [-s for s in shift], dims=(1, 2))
    number = F.pad(number, (0, 0, 0, -shape[1] % window[1], 0, -shape[0] % window[0]))
    expected = window_partition(number, window).flatten(1).long() - 1  # -1 for padding
    grid = WindowGrid(cells, window, shift)
    found = torch.cat((cells.order(), torch.tensor([-1])))[grid.slots()]
    assert torch.equal(found, expected)
    assert grid.has_padding == (-1 in expected)


@laid
def test_patterns_are_timms_mask(shape, window, shift):
    block = SwinTransformerBlock(4, (64, 64), num_heads=1, window_size=window, shift_size=shift, always_partition=True)
    block.shift_size = shift
    padded = [-(-length // side) * side for length, side in zip(shape, window, strict=True)]
    expected = block.get_attn_mask(torch.zeros(1, *padded, 1))
    patterns = WindowGrid(CellGrid(*shape), window, shift).patterns()
    if expected is None:
        assert patterns is None
    else:
        assert torch.equal(patterns[1][patterns[0]], expected)


@laid
@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize('max_rows', [None, 5])
def test_windows_hold_every_present_cell_once(shape, window, shift, share, max_rows):
    cells = CellGrid(*shape, 2)
    present = random_mask(2, cells.num_cells, share=share)
    rows = CellRows(cells, 2, present)
    assert len(rows) == present.sum()
    grid = WindowGrid(cells, window, shift)
    parts = [part for part, _ in rows.windows(window, shift, max_rows)]
    assert parts[0] is rows.windows(window, shift, max_rows)[0][0]  # blocks of a stage share them
    assert sum(map(len, parts)) == running_windows(grid, present).sum()
    assert torch.equal(torch.cat([part.rows for part in parts]).sort().values, torch.arange(len(rows)))

    slots = grid.slots().repeat(2, 1)[running_windows(grid, present).flatten()]
    held = F.pad(present, (0, 1))[:, grid.slots()].flatten(0, 1)[running_windows(grid, present).flatten()]
    place = F.pad(rows.select(torch.arange(cells.num_cells).expand(2, -1)), (0, 1), value=-1)
    start = 0
    for part in parts:
        own = slice(start, start := start + len(part))
        found = place[F.pad(part.rows, (0, 1), value=len(rows))][part.slot_rows]
        assert torch.equal(found, slots[own].where(held[own], -1))
        keys = held[own] | (slots[own] == cells.num_cells)
        assert keys.all() if part.keys is None else torch.equal(part.keys, keys)
        assert torch.equal(part.rows[part.row_positions], part.rows.sort().values) or max_rows is not None
    if max_rows is not None and len(rows) > 2 * grid.area > 2 * max_rows:
        assert len(parts) > 1


@laid
@pytest.mark.parametrize('heads', [1, 3])
def test_the_way_into_the_windows_and_back(shape, window, shift, heads):
    rows = CellRows(CellGrid(*shape, 1), 2, random_mask(2, shape[0] * shape[1]))
    ((windows, _),) = rows.windows(window, shift)
    n, area = len(windows.rows), window[0] * window[1]
    number = torch.arange(n * 3 * heads).view(n, 3, heads)
    found = number.flatten()[windows.inward(heads)].view(3, len(windows), heads, area)
    for window_, slot in (windows.slot_rows < n).nonzero().tolist():
        assert torch.equal(found[:, window_, :, slot], number[windows.slot_rows[window_, slot]])
    back = found[0].flatten()[windows.outward(heads)].view(n, heads)
    assert torch.equal(back, number[:, 0])
    padded = torch.zeros(found.shape, dtype=torch.bool)
    if windows.padding is not None:
        padded.view(-1)[windows.padding_slots(heads).flatten()] = True
        assert torch.equal(padded, windows.padding[:, None].expand_as(padded))
    assert padded.any() == WindowGrid(rows.cells, window, shift).has_padding


def test_absent_keys_weigh_nothing_and_padding_counts():
    cells = CellGrid(2, 3)
    present = torch.tensor([[1, 0, 1, 0, 0, 1]]).bool()
    ((_, weight),) = CellRows(cells, 1, present).windows((2, 2), (0, 0))
    assert weight.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1]]
    relaxed = torch.tensor([[0.5, 0, 2, 0, 0, 0.25]])
    ((_, weight),) = CellRows(cells, 1, present, relaxed).windows((2, 2), (0, 0))
    assert weight.tolist() == [[0.5, 0, 0, 0], [2, 1, 0.25, 1]]
    ((_, weight),) = CellRows(cells, 1, weight=relaxed).windows((2, 2), (0, 0))
    assert weight.tolist() == [[0.5, 0, 0, 0], [2, 1, 0.25, 1]]


def test_a_window_without_keys_counts_them_all():
    ((_, weight),) = CellRows(CellGrid(2, 4), 1, weight=torch.tensor([[1.0, 0, 0, 0, 1, 0, 0, 0]])).windows((2, 2), (0, 0))
    assert weight.tolist() == [[1, 0, 1, 0], [1, 1, 1, 1]]


def test_parts_that_the_shift_keeps_apart_are_windows_of_their_own():
    rows = CellRows(CellGrid(1, 4), 1, weight=torch.tensor([[0.0, 1, 0, 0]]))
    ((_, weight),) = rows.windows((1, 2), (0, 1))
    assert weight.tolist() == [[1, 0], [1, 1]]  # cells 1 and 2 together, 3 and 0 each alone


@pytest.mark.parametrize('size', [(64, 64), (72, 40), (61, 83), (16, 8), (3, 5)])
@pytest.mark.parametrize('entry', [1, 2, 3])
@pytest.mark.parametrize('masked', [False, True])
def test_stages_know_where_pixels_and_features_lie(size, entry, masked):
    """Cells and regions carry their coordinates through ordering, embedding, joining and the way back."""
    grid = TokenGrid(*size, 4, 4 * 2**entry)
    mask = random_mask(2, *grid.region_shape)
    stages = Stages(grid, 4, entry, mask, masked=masked)
    side, (high, wide) = grid.coarse_patch_size, grid.region_shape
    pixels = torch.arange(2.0 * 3 * high * wide * side**2).view(2, 3, high * side, wide * side)
    regions = pixels.view(2, 3, high, side, wide, side).permute(0, 2, 4, 1, 3, 5).flatten(3)
    ordered = stages.ordered(regions)
    found = stages.fine_pixels(ordered, 4)
    fine = stages.join(0, found, torch.full((2 * high * wide if masked else int((~mask).sum()), found.shape[1]), -1.0))
    expected = F.unfold(pixels, 4, stride=4).unflatten(2, (high * side // 4, wide * side // 4))
    expected = expected[:, :, : grid.fine_shape[0], : grid.fine_shape[1]]
    is_fine = mask.repeat_interleave(2**entry, 1).repeat_interleave(2**entry, 2)[:, : expected.shape[2], : expected.shape[3]]
    assert torch.equal(stages.to_map(0, fine), expected.where(is_fine.unsqueeze(1), -1))

    last = entry
    number = ordered[:, :1]
    coarse = number if masked else number[stages.coarse]
    rows = stages.fine_rows[last]
    joined = stages.join(last, rows.select(number.unflatten(0, (2, -1))), coarse)
    assert torch.equal(stages.to_map(last, joined)[:, 0], pixels[:, 0, ::side, ::side])
    shape = grid.fine_shape
    for i, rows in enumerate(stages.rows):
        assert (rows.cells.height, rows.cells.width) == shape
        shape = tuple(-(-length // 2) for length in shape)
        assert (rows.present is None) == (masked or i >= entry)
        assert rows.counts.sum() == len(rows)
        assert rows.segments.lengths == rows.counts.tolist()


def test_all_fine_is_dense():
    grid = TokenGrid(64, 64, 4, 16)
    stages = Stages(grid, 4, 2, torch.ones(2, 4, 4, dtype=torch.bool))
    assert all(rows.present is None for rows in stages.rows)
    assert not len(stages.coarse)


def test_rows_that_are_taken_once_have_the_usual_gradient():
    table = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([4, 0, 2, 1])
    upstream = torch.randn(4, 3, dtype=torch.float64)
    y = take_rows(table, index)
    assert torch.equal(y, table[index])
    (grad,) = torch.autograd.grad(y, table, upstream)
    assert torch.equal(grad, torch.zeros(7, 3, dtype=torch.float64).index_add(0, index, upstream))


def test_maps_cached_in_inference_mode_can_be_trained_with():
    cells = CellGrid(22, 18, 1)  # a shape that no other test uses
    with torch.inference_mode():
        ((windows, _),) = CellRows(cells, 1).windows((4, 4), (2, 2))
        maps = [
            windows.rows,
            windows.slot_rows,
            windows.inward(2),
            windows.outward(2),
            windows.padding_slots(2),
            cells.children(),
            cells.order(),
            cells.place(),
        ]
        maps += [windows.pattern, windows.pair_masks, cells.paths(1), windows.row_positions]
    assert not any(x is not None and x.is_inference() for x in maps)
    ((same, _),) = CellRows(cells, 1).windows((4, 4), (2, 2))
    assert same is windows
