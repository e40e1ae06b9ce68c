"""The fast model against the plain one, and the plain one against the words of the paper."""

import pytest
import torch

from msvit import reference
from msvit.gates import GateOutput
from msvit.tokens import TokenGrid

SIZES = [(32, 32), (24, 40), (19, 30)]


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('arch', [{}, dict(reg_tokens=2, qk_norm=True, init_values=0.5)], ids=['plain', 'registers'])
@torch.no_grad()
def test_features_are_those_of_the_reference(tiny_msvit, layout, size, arch, assert_relative):
    net = tiny_msvit(arch, layout=layout)
    images = torch.randn(3, 3, *size)
    masks = torch.rand(3, *net.grid(images).region_shape) > torch.tensor([0.5, -1, 2])[:, None, None]
    expected = [reference.msvit(net, image, mask.float()) for image, mask in zip(images, masks, strict=True)]
    assert_relative(net(images, fine_mask=masks)[0], torch.stack(expected))


def test_the_mask_learns_what_it_learns_in_the_reference(tiny_msvit):
    net = tiny_msvit(layout='masked').double()
    image = torch.randn(3, 32, 32, dtype=torch.float64)
    mask = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    upstream = torch.randn(32, 4, 4, dtype=torch.float64)
    given = [mask.clone().requires_grad_() for _ in range(2)]
    (reference.msvit(net, image, given[0]) * upstream).sum().backward()
    net.decide = lambda *_: GateOutput(given[1][None], mask.bool()[None])
    tokens = net.forward_tokens(image[None]).tokens()[0]
    # without the gradient of the choice in the map, which goes beyond the paper
    (reference.replicate(tokens, mask.bool(), (4, 4), 2) * upstream).sum().backward()
    torch.testing.assert_close(given[1].grad, given[0].grad)


def test_tokens_are_coarse_regions_and_cells_of_fine_ones():
    grid = TokenGrid(20, 12, 4, 8)
    mask = torch.rand(grid.region_shape) > 0.5
    assert torch.equal(grid.active(mask[None])[0].float(), reference.is_token(mask.float(), grid.fine_shape, 2))


def test_a_straight_through_decision_is_hard_and_has_the_relaxed_gradient():
    logits = torch.randn(3, 4, requires_grad=True)
    p_fine, hard = reference.decide(logits, torch.rand(3, 4), 0.3)
    assert set(hard.unique().tolist()) <= {0.0, 1.0}
    ours = GateOutput(p_fine, p_fine > 0.5).straight_through()
    assert torch.equal(ours, hard)
    assert torch.equal(*(torch.autograd.grad(x.sum(), logits, retain_graph=True)[0] for x in (hard, p_fine)))
