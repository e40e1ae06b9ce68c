"""Stochastic depth drops whole images, in any layout."""

import copy

import pytest
import torch

from msvit.drop_path import ImageDropPath, announced_index
from msvit.tokens import TokenGrid, build_index

MASK = torch.tensor([[[1, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]]).bool()


@pytest.fixture
def index(layout):
    return build_index(layout, TokenGrid(32, 32, 8, 16), MASK, num_prefix=1)


def test_an_image_is_dropped_whole_and_the_expectation_is_kept(index):
    drop, rate = ImageDropPath(0.3).train(), 0.3
    image = torch.arange(1.0, 4)[:, None, None].expand(3, 20, 1)
    x = index.assemble(torch.ones(1, 1), index.select(image))
    torch.manual_seed(0)
    kept = []
    with announced_index(drop, index):
        for _ in range(2000):
            prefix, tokens = index.split(drop(x))
            kept.append((prefix * (1 - rate)).flatten())
            cells = index.cell_tokens(tokens)[..., 0] * (1 - rate)
            torch.testing.assert_close(cells, kept[-1][:, None] * torch.arange(1.0, 4)[:, None].expand_as(cells))
    kept = torch.stack(kept)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(kept.mean(0), torch.full((3,), 1 - rate), atol=0.03, rtol=0)
    assert (torch.corrcoef(kept.T) - torch.eye(3)).abs().max() < 0.1  # each image on its own


def test_nothing_is_dropped_at_test(index):
    x = torch.randn(1, 5, 2)
    assert ImageDropPath(0.5).eval()(x) is x


def test_the_index_is_forgotten_so_that_modules_can_be_copied(layout):
    drop = torch.nn.Sequential(ImageDropPath(0.5))
    gate = MASK.float().requires_grad_() * 1
    index = build_index(layout, TokenGrid(32, 32, 8, 16), MASK, gate)
    with announced_index(drop, index):
        assert drop[0].index is index
    assert drop[0].index is None
    copy.deepcopy(drop)
