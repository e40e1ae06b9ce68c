"""Stochastic depth drops whole images, in any layout."""

import pytest
import torch

from msvit.drop_path import drop_images, drop_path_rates
from msvit.tokens import TokenGrid, build_index

MASK = torch.tensor([[[1, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]]).bool()


def test_an_image_is_dropped_whole_and_the_expectation_is_kept(layout):
    index, rate = build_index(layout, TokenGrid(32, 32, 8, 16), MASK, num_prefix=1), 0.3
    image = torch.arange(1.0, 4)[:, None, None].expand(3, 20, 1)
    x = index.memory.assemble(torch.ones(1, 1), index.memory.select(image))
    torch.manual_seed(0)
    kept = []
    for _ in range(2000):
        prefix, tokens = index.memory.split(drop_images(x, rate, index.segments))
        kept.append((prefix * (1 - rate)).flatten())
        cells = index.cell_tokens(tokens)[..., 0] * (1 - rate)
        torch.testing.assert_close(cells, kept[-1][:, None] * torch.arange(1.0, 4)[:, None].expand_as(cells))
    kept = torch.stack(kept)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(kept.mean(0), torch.full((3,), 1 - rate), atol=0.03, rtol=0)
    assert (torch.corrcoef(kept.T) - torch.eye(3)).abs().max() < 0.1  # each image on its own


def test_a_rate_of_0_draws_nothing():
    x, state = torch.randn(1, 5, 2), torch.get_rng_state()
    assert drop_images(x, 0.0) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_rates_grow_linearly():
    assert drop_path_rates(0.4, 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert drop_path_rates(0.4, 1) == [0]


@pytest.mark.parametrize('rate', [-0.1, 1.0, True, 'much'])
def test_a_rate_must_lie_below_1(rate):
    with pytest.raises(ValueError, match=r'drop_path_rate must lie in \[0, 1\)'):
        drop_path_rates(rate, 2)
