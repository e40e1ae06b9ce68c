"""What trains the gate: every candidate in the masked form (section F.1), those that are left in the others (F.2)."""

import pytest
import torch

from msvit.backbones import MSViT
from msvit.gates import BaseGate, GateOutput
from msvit.reference import run_block
from msvit.tokens import TokenGrid, build_index

MASK = torch.tensor([[[1, 0], [0, 0]], [[0, 1], [1, 0]]]).bool()


class LeafGate(BaseGate):
    """Decisions that are themselves the leaves of the graph."""

    def __init__(self, mask):
        super().__init__(16)
        self.p_fine = torch.nn.Parameter(torch.where(mask, 0.8, 0.3).double())

    def forward(self, images):
        return GateOutput(self.p_fine, self.p_fine > 0.5)


@pytest.fixture
def build(perturb):
    def _build(layout):
        torch.manual_seed(0)
        arch = dict(embed_dim=16, depth=1, num_heads=2, patch_size=8)
        net = MSViT(arch, img_size=32, coarse_patch_size=16, gate=LeafGate(MASK), layout=layout, out_type='cls_token')
        return perturb(net).double()

    return _build


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def by_hand(net: MSViT, images: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The class token and dL/dm of a one-block ViT by equation 15, over the candidates that are ``present``."""
    grid = TokenGrid(32, 32, 8, 16)
    index = build_index('masked', grid, MASK, num_prefix=1)
    m = net.gate.p_fine.detach().gt(0.5).double().requires_grad_()
    net.layout = net.train_layout = 'masked'
    x = net.tokenize(images, MASK).x
    weight = torch.cat((torch.ones(2, 1), grid.active(m) * present), dim=1)
    (block,) = net.blocks
    x = net.norm(run_block(block, x, weight))[:, 0]
    assert index.key_weight.shape == weight.shape
    return x, torch.autograd.grad(loss_of(x), m)[0]


def loss_of(cls_token: torch.Tensor) -> torch.Tensor:
    return (cls_token * torch.linspace(-1, 1, cls_token.shape[-1], dtype=cls_token.dtype)).sum()


def present_in(layout: str) -> torch.Tensor:
    """Which candidates lie in memory: all; the present ones and, in the order of the candidates, as many absent ones as
    fit; the present ones."""
    active = TokenGrid(32, 32, 8, 16).active(MASK)
    if layout == 'masked':
        return torch.ones_like(active).double()
    kept = active.clone()
    if layout == 'trimmed':
        longest = active.sum(1).max()
        for row in kept:
            for candidate in range(len(row)):
                if row.sum() < longest:
                    row[candidate] = True
    return kept.double()


@pytest.mark.parametrize('training', [True, False])
def test_the_gates_gradient_is_that_of_the_tokens_in_memory(build, images, layout, training):
    net = build(layout).train(training)
    (cls_token,) = net(images)
    loss_of(cls_token).backward()
    expected_token, expected_grad = by_hand(net, images, present_in(layout))
    torch.testing.assert_close(cls_token, expected_token)
    torch.testing.assert_close(net.gate.p_fine.grad, expected_grad)
    assert (expected_grad != 0).all()


def test_the_layouts_differ_in_that_gradient_alone(build, images):
    present = {name: present_in(name).sum(1).tolist() for name in ('masked', 'trimmed', 'packed')}
    assert present == {'masked': [20, 20], 'trimmed': [10, 10], 'packed': [7, 10]}
    gradients = {}
    for name in present:
        net = build(name)
        loss_of(net(images)[0]).backward()
        gradients[name] = net.gate.p_fine.grad
    # the second image is the longest of the batch: trimming keeps its present tokens alone, as packing does
    torch.testing.assert_close(gradients['trimmed'][1], gradients['packed'][1])
    assert not torch.allclose(gradients['trimmed'][0], gradients['packed'][0])
    assert not torch.allclose(gradients['masked'], gradients['trimmed'])
