"""Fewer tokens, or tokens that weigh less: the same meaning in three layouts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msvit.tokens import LAYOUTS, MixedTokens, TokenGrid, TokenIndex, build_index


@st.composite
def pruned_batches(draw):
    """A grid, a mask of one to three images, which of the present tokens stay (one at least), and prefix tokens."""
    grid = TokenGrid(draw(st.integers(1, 40)), draw(st.integers(1, 40)), 4, draw(st.sampled_from([8, 12])))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    images = draw(st.integers(1, 3))
    mask = torch.rand(images, *grid.region_shape, generator=generator) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    active = grid.active(mask)
    score = torch.rand(active.shape, generator=generator).where(active, -1)
    kept = active & (score > draw(st.sampled_from([0.0, 0.3, 0.9])))
    kept[range(images), score.argmax(dim=1)] = True
    return grid, mask, kept, draw(st.integers(0, 3))


def numbered(shape: torch.Size, width: int = 2) -> torch.Tensor:
    """Candidates (B, N, C), no two alike, none 0."""
    return torch.arange(1.0, shape.numel() * width + 1).reshape(*shape, width)


def values(index: TokenIndex, x: torch.Tensor) -> list[torch.Tensor]:
    """The rows of each image that count as keys, in the order of the candidates."""
    weight = torch.ones(x.shape[:2]) if index.key_weight is None else index.key_weight
    if index.segments is not None:
        x, weight = x[0].split(index.segments.lengths), weight[0].split(index.segments.lengths)
    return [image[own > 0] for image, own in zip(x, weight, strict=True)]


@settings(max_examples=60, deadline=None)
@given(pruned_batches())
def test_what_is_kept_stays_itself(batch):
    grid, mask, kept, num_prefix = batch
    candidates = numbered(kept.shape)
    prefix = -numbered(torch.Size((len(mask), num_prefix)))
    for layout in LAYOUTS:
        index = build_index(layout, grid, mask, num_prefix=num_prefix)
        tokens = MixedTokens(index.memory.assemble(prefix, index.memory.select(candidates)), index).pruned(kept)
        assert tokens.layout == layout
        assert torch.equal(tokens.counts, kept.sum(1))
        assert torch.equal(tokens.prefix(), prefix)
        for image, (own, rows) in enumerate(zip(kept, values(tokens.index, tokens.x), strict=True)):
            assert torch.equal(rows, torch.cat((prefix[image], candidates[image][own])))
        longest = {'masked': kept.shape[1], 'trimmed': int(kept.sum(1).max())}
        if layout == 'packed':
            assert tokens.tokens().shape == (1, kept.sum(), 2)
            assert tokens.index.segments.lengths == (kept.sum(1) + num_prefix).tolist()
            assert tokens.index.segments.offsets.diff().tolist() == tokens.index.segments.lengths
        else:
            assert tokens.tokens().shape == (len(mask), longest[layout], 2)
        assert torch.equal(index.counts, grid.active(mask).sum(1)), 'the index before was changed'
        with pytest.raises(ValueError, match='pruned.*no map.*class token'):
            tokens.to_map()


@settings(max_examples=60, deadline=None)
@given(pruned_batches())
def test_pruning_twice_is_pruning_once(batch):
    grid, mask, kept, num_prefix = batch
    active = grid.active(mask)
    first = kept | (active & (torch.rand(kept.shape, generator=torch.Generator().manual_seed(0)) > 0.5))
    gate = mask.float().requires_grad_()
    for layout in LAYOUTS:
        index = build_index(layout, grid, mask, gate, num_prefix)
        once, twice = index.pruned(kept), index.pruned(first).pruned(kept)
        candidates = numbered(kept.shape)
        assert torch.equal(once.memory.select(candidates), twice.memory.select(candidates))
        assert torch.equal(once.key_weight, twice.key_weight)
        assert once.lengths == twice.lengths


@settings(max_examples=60, deadline=None)
@given(pruned_batches())
def test_scatter_is_the_inverse_of_select(batch):
    grid, mask, kept, _ = batch
    candidates = numbered(kept.shape)
    for layout in LAYOUTS:
        index = build_index(layout, grid, mask)
        for part, present in ((index, index.active), (index.pruned(kept), kept)):
            scattered = part.memory.scatter(part.memory.select(candidates))
            assert torch.equal(scattered[present], candidates[present])
            assert torch.isfinite(scattered).all()
            assert torch.equal(part.memory.select(scattered), part.memory.select(candidates))
            chosen = present.float().argsort(dim=1, descending=True, stable=True)[:, :1]
            taken = part.memory.take(part.memory.select(candidates), chosen)
            assert torch.equal(taken, candidates.gather(1, chosen.unsqueeze(-1).expand(-1, -1, 2)))
            assert torch.equal(part.candidate_weight(), present.float())


def test_the_gates_gradient_goes_on_with_the_tokens_that_stay():
    grid, mask = TokenGrid(16, 16, 4, 8), torch.tensor([[[1, 0], [0, 1]]]).bool()
    active = grid.active(mask)
    kept = active.clone()
    kept[0, [1, 4, 5]] = False  # a coarse token, and two of the four of the first fine region
    region = [*range(4), *grid.region_of_cell().tolist()]
    expected = torch.zeros(4)
    for candidate in kept[0].nonzero().flatten().tolist():
        expected[region[candidate]] += (candidate + 1) * (1 if candidate >= 4 else -1)
    for layout in LAYOUTS:
        gate = mask.float().requires_grad_()
        weight = build_index(layout, grid, mask, gate, 2).pruned(kept).candidate_weight()
        assert torch.equal(weight.detach(), kept.float())
        (weight * torch.arange(1.0, 21)).sum().backward()
        torch.testing.assert_close(gate.grad.flatten(), expected)


@settings(max_examples=60, deadline=None)
@given(pruned_batches())
def test_what_is_dropped_becomes_one_token(batch):
    grid, mask, kept, num_prefix = batch
    generator = torch.Generator().manual_seed(1)
    candidates, share = torch.rand(*kept.shape, 3, generator=generator), torch.rand(kept.shape, generator=generator)
    dropped = grid.active(mask) & ~kept
    for layout in LAYOUTS:
        index = build_index(layout, grid, mask, mask.float().requires_grad_(), num_prefix)
        tokens = MixedTokens(index.memory.assemble(torch.zeros(num_prefix, 3), index.memory.select(candidates)), index).pruned(
            kept, share
        )
        assert torch.equal(tokens.counts, kept.sum(1) + dropped.any(1))
        for image, rows in enumerate(values(tokens.index, tokens.x)):
            own = dropped[image]
            expected = candidates[image][kept[image]]
            if own.any():
                expected = torch.cat((expected, (share[image, own, None] * candidates[image][own]).sum(0, keepdim=True)))
            found, expected = (x[x[:, 0].argsort()] for x in (rows[num_prefix:].detach(), expected))
            torch.testing.assert_close(found, expected)


@settings(max_examples=60, deadline=None)
@given(pruned_batches())
def test_a_policy_weights_keys_and_moves_no_token(batch):
    grid, mask, kept, num_prefix = batch
    for layout in LAYOUTS:
        for gate in (None, mask.float().requires_grad_()):
            index = build_index(layout, grid, mask, gate, num_prefix)
            policy = kept.float().requires_grad_()
            weighted = index.weighted(policy)
            candidates = numbered(kept.shape)
            assert torch.equal(weighted.memory.select(candidates), index.memory.select(candidates))
            assert torch.equal(weighted.counts, index.counts)
            assert torch.equal(weighted.candidate_weight(), kept.float())
            prefix, _ = weighted.memory.split(weighted.key_weight.unsqueeze(-1))
            assert (prefix == 1).all()
            assert weighted.lengths is None
            assert not weighted.is_plain
            weighted.candidate_weight().sum().backward()
            assert torch.equal(policy.grad != 0, grid.active(mask))
            assert torch.equal(weighted.pruned(kept).candidate_weight(), kept.float())


@pytest.mark.parametrize('layout', LAYOUTS)
def test_weights_go_on_behind_another_prefix(layout):
    """A coarse key that stands for four cells does so after weighting and pruning too, in any order."""
    grid, mask = TokenGrid(32, 16, 8, 16), torch.tensor([[[True], [False]], [[False], [False]]])
    index = build_index(layout, grid, mask)
    ones, cells = torch.ones(index.active.shape), index.active * grid.cells_per_token()
    assert cells.max() == 4
    assert torch.equal(index.behind(1).weighted(ones).candidate_weight(), cells)
    assert torch.equal(index.weighted(ones).behind(1).candidate_weight(), cells)
    assert torch.equal(index.behind(1).pruned(index.active).candidate_weight(), cells)
    halved = index.weighted(ones / 2).behind(1)
    assert torch.equal(halved.candidate_weight(), cells / 2)
    assert halved.lengths is None
    assert index.weighted(ones).key_weight is not None and index.key_weight is not halved.key_weight
