"""Three layouts, one meaning."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msvit.reference import replicate
from msvit.tokens import LAYOUTS, MixedTokens, TokenGrid, build_index


@st.composite
def ragged_batches(draw):
    """A grid, a mask for each of one to three images (all coarse, all fine or anything between), and a number of prefix
    tokens."""
    grid = TokenGrid(draw(st.integers(1, 40)), draw(st.integers(1, 40)), 4, draw(st.sampled_from([8, 12])))
    regions = grid.num_coarse
    image = st.one_of(
        st.just([False] * regions), st.just([True] * regions), st.lists(st.booleans(), min_size=regions, max_size=regions)
    )
    mask = torch.tensor(draw(st.lists(image, min_size=1, max_size=3)))
    return grid, mask.reshape(-1, *grid.region_shape), draw(st.integers(0, 5))


def expected_cells(grid: TokenGrid, mask: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """The candidate of every fine cell, (B, Nf, C)."""
    maps = [replicate(own, image, grid.fine_shape, grid.ratio) for own, image in zip(candidates, mask, strict=True)]
    return torch.stack(maps).flatten(2).mT


@settings(max_examples=60, deadline=None)
@given(ragged_batches())
def test_tokens_find_their_way_in_and_back(batch):
    grid, mask, num_prefix = batch
    candidates = torch.arange(len(mask) * (grid.num_coarse + grid.num_fine)).reshape(len(mask), -1, 1).float() + 1
    prefix = -torch.arange(1.0, num_prefix + 1)[:, None]
    for layout in LAYOUTS:
        index = build_index(layout, grid, mask, num_prefix=num_prefix)
        tokens = index.memory.select(candidates)
        x = index.memory.assemble(prefix, tokens)
        mixed = MixedTokens(x, index)
        assert mixed.layout == layout
        assert torch.equal(mixed.prefix(), prefix.expand(len(mask), -1, -1))
        assert torch.equal(mixed.tokens(), tokens)
        cells = expected_cells(grid, mask, candidates)
        assert torch.equal(index.cell_tokens(tokens), cells)
        assert torch.equal(mixed.to_map(), cells.transpose(1, 2).reshape(len(mask), 1, *grid.fine_shape))
        assert torch.equal(mixed.counts, grid.active(mask).sum(1))
        table = torch.arange(grid.num_coarse + grid.num_fine).float()[:, None]
        assert torch.equal(index.memory.select(table), index.memory.select(table.expand(len(mask), -1, -1)))


@settings(max_examples=60, deadline=None)
@given(ragged_batches())
def test_key_weights_tell_present_from_absent(batch):
    grid, mask, num_prefix = batch
    counts = grid.active(mask).sum(1)
    gate = mask.float().requires_grad_()
    for layout in LAYOUTS:
        weight = build_index(layout, grid, mask, gate, num_prefix).key_weight
        assert weight.requires_grad
        assert ((weight == 0) | (weight == 1)).all()
        assert weight.sum().item() == counts.sum().item() + num_prefix * len(mask)
        if layout == 'packed':
            assert weight.shape == (1, counts.sum() + num_prefix * len(mask))
        elif layout == 'trimmed':
            assert weight.shape == (len(mask), counts.max() + num_prefix)
            for row, count in zip(weight, counts, strict=True):
                assert row[: num_prefix + count].all()
        else:
            assert weight.shape == (len(mask), grid.num_coarse + grid.num_fine + num_prefix)
        untrained = build_index(layout, grid, mask, num_prefix=num_prefix).key_weight
        assert torch.equal(torch.ones_like(weight) if untrained is None else untrained, weight.detach())


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_decoder_counts_coarse_tokens_once_for_each_cell(layout):
    grid = TokenGrid(24, 16, 8, 16)  # the lower region has two cells only
    mask = torch.tensor([[[False], [False]], [[True], [False]]])
    index = build_index(layout, grid, mask, num_prefix=1).behind(2)
    _, weight = index.memory.split(index.key_weight.unsqueeze(-1).expand(-1, -1, 3))
    present = weight[..., 0][weight[..., 0] > 0]
    assert index.memory.name == layout
    assert index.num_prefix == 2
    assert sorted(present.tolist()) == [1, 1, 1, 1, 2, 2, 4]


def test_layouts_without_absent_tokens_need_no_weights():
    grid = TokenGrid(32, 32, 8, 16)
    same = torch.tensor([[[True, False], [False, False]], [[False, False], [False, True]]])
    assert build_index('packed', grid, same).key_weight is None
    assert build_index('trimmed', grid, same).key_weight is None
    assert build_index('masked', grid, same).key_weight is not None
    assert build_index('trimmed', grid, torch.cat((same, ~same))).key_weight is not None


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_given_mask_must_fit(layout):
    grid = TokenGrid(32, 48, 8, 16)
    with pytest.raises(ValueError, match=r'fine_mask has shape \(1, 3, 2\).*32x48.*\(batch, 2, 3\)'):
        build_index(layout, grid, torch.ones(1, 3, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match='fine_mask has shape'):
        build_index(layout, grid, torch.ones(2, 3, dtype=torch.bool))


def test_an_unknown_layout_lists_the_known_ones():
    grid = TokenGrid(16, 16, 8, 16)
    with pytest.raises(ValueError, match="unknown layout 'padded'.*'masked', 'trimmed', 'packed'"):
        build_index('padded', grid, torch.ones(1, 1, 1, dtype=torch.bool))


def test_the_choice_of_scale_is_differentiable_where_both_are_in_memory():
    """d cell / d gate = fine - coarse token, whichever was chosen; where one was trimmed the choice has no gradient."""
    grid = TokenGrid(16, 16, 4, 8)
    fine_mask = torch.tensor([[[True, False], [False, True]]])
    candidates = torch.randn(1, grid.num_coarse + grid.num_fine, 3)
    for layout in LAYOUTS:
        gate = fine_mask.float().requires_grad_()
        index = build_index(layout, grid, fine_mask, gate)
        cells = index.cell_tokens(index.memory.select(candidates))
        plain = build_index(layout, grid, fine_mask)
        assert torch.equal(cells, plain.cell_tokens(plain.memory.select(candidates)))
        assert cells.requires_grad == (layout == 'masked')
    index = build_index('masked', grid, fine_mask, gate)
    weights = torch.randn(1, grid.num_fine, 3)
    (index.cell_tokens(candidates) * weights).sum().backward()
    coarse, fine = candidates.split((grid.num_coarse, grid.num_fine), dim=1)
    region = grid.region_of_cell()
    by_cell = ((fine - coarse[:, region]) * weights).sum(dim=-1)
    expected = torch.zeros(1, grid.num_coarse).index_add(1, region, by_cell).reshape(1, 2, 2)
    torch.testing.assert_close(gate.grad, expected)


@settings(max_examples=60, deadline=None)
@given(ragged_batches(), st.integers(0, 5))
def test_tokens_behind_another_prefix_lie_as_if_built_so(batch, num_prefix):
    grid, mask, before = batch
    for layout in LAYOUTS:
        index = build_index(layout, grid, mask, num_prefix=before)
        tokens = index.memory.select(torch.randn(*index.active.shape, 2))
        prefix = torch.randn(num_prefix, 2)
        behind = index.behind(num_prefix)
        built = build_index(layout, grid, mask, num_prefix=num_prefix).behind(num_prefix)
        assert (behind.segments is None) == (built.segments is None) == (layout != 'packed')
        if layout == 'packed':
            assert behind.segments.lengths == built.segments.lengths == behind.segments.offsets.diff().tolist()
        assert torch.equal(behind.memory.assemble(prefix, tokens), built.memory.assemble(prefix, tokens))
        assert torch.equal(behind.key_weight, built.key_weight)
        assert index.num_prefix == before
