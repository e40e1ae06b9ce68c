"""MACs against a counting forward pass, and against the paper's Tables 3 to 5."""

import pytest
import torch

from msvit.analysis.macs import count_macs
from msvit.backbones import MSViT
from msvit.backbones.macs import Macs
from msvit.gates import BaseGate, ContextGate, MLPGate, RadialGate, SaliencyGate
from msvit.tokens import position_table

GATES = {None: None, 'MLP gate': dict(type='msvit.MLPGate'), 'context gate': dict(type='msvit.ContextGate')}


def counted(net: MSViT, images: torch.Tensor, mask: torch.Tensor | None) -> float:
    regions = torch.zeros(1, 3, *(side * net.coarse_patch_size for side in net.grid(images).region_shape))
    gate = count_macs(lambda: net.gate(regions)) if net.gate is not None else 0
    patches = net.pos_embed[:, net.pos_embed.shape[1] - net.native_shape[0] * net.native_shape[1] :]
    # once a batch, not counted by the formula
    resizing = count_macs(lambda: position_table(patches, net.native_shape, net.grid(images)))
    return gate + count_macs(lambda: net(images, fine_mask=mask)) - resizing


@pytest.mark.parametrize(
    'arch',
    [
        dict(embed_dim=64, depth=2, num_heads=2, patch_size=16),
        dict(embed_dim=64, depth=2, num_heads=2, patch_size=16, class_token=False, mlp_ratio=2),
        dict(embed_dim=64, depth=2, num_heads=2, patch_size=14, reg_tokens=4),
        'vit_tiny_patch16_224',
    ],
    ids=['plain', 'no class token', 'registers', 'Ti'],
)
@pytest.mark.parametrize('gate', GATES.values(), ids=GATES)
@pytest.mark.parametrize('share', [0.0, 0.4, 1.0])
def test_agrees_with_a_counted_forward_pass(arch, gate, share):
    patch = arch['patch_size'] if isinstance(arch, dict) else 16
    net = MSViT(arch, img_size=8 * patch, coarse_patch_size=2 * patch, gate=gate).eval()
    images = torch.randn(1, 3, 7 * patch, 10 * patch)
    mask = torch.rand(1, 4, 5, generator=torch.Generator().manual_seed(0)) < share
    grid = net.grid(images)
    macs = net.macs(grid, net.tokenize(images, mask).counts)
    assert macs.total.item() == pytest.approx(counted(net, images, mask), rel=0.005)
    assert (macs.gate.item() > 0) == (gate is not None)


def test_one_figure_for_each_image():
    net = MSViT(dict(embed_dim=32, depth=2, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16)
    macs = net.macs(net.grid(torch.zeros(1, 3, 32, 32)), torch.tensor([4, 10, 16])).total
    assert macs.shape == (3,)
    assert (macs.diff() > 0).all()


def macs_of(size: str, pixels: int, tokens: int, gated: bool) -> Macs:
    """Of a ViT of the paper and its gate (no decoder, no classifier)."""
    with torch.device('meta'):  # sizes alone count
        net = MSViT(f'vit_{size}_patch16_224', img_size=pixels)
    net.gate = MLPGate() if gated else None
    return net.macs(net.grid(torch.empty(1, 3, pixels, pixels)), torch.tensor([tokens]))


@pytest.mark.parametrize(
    ('size', 'pixels', 'tokens', 'gmacs'),
    [
        ('tiny', 160, 100, 0.60),
        ('tiny', 192, 144, 0.89),
        ('tiny', 224, 196, 1.25),
        ('small', 128, 64, 1.44),
        ('small', 160, 100, 2.27),
        ('small', 192, 144, 3.32),
        ('small', 224, 196, 4.60),
        ('small', 288, 324, 7.97),
        ('small', 320, 400, 10.11),
        ('small', 384, 576, 15.49),
        ('large', 160, 100, 31.08),
        ('large', 192, 144, 44.9),
        ('tiny', 512, 1024, 10.4),
        ('small', 512, 1024, 31.7),
    ],
)
def test_baselines_of_tables_3_and_4(size, pixels, tokens, gmacs):
    assert macs_of(size, pixels, tokens, gated=False).total.item() == pytest.approx(gmacs * 1e9, rel=0.01)


@pytest.mark.parametrize(
    ('size', 'pixels', 'tokens', 'gmacs'),
    [
        ('tiny', 224, 95, 0.60),
        ('tiny', 224, 124, 0.78),
        ('tiny', 224, 138, 0.88),
        ('tiny', 224, 154, 0.98),
        ('small', 224, 94, 2.20),  # MSDeiT-S, and the four rows after it
        ('small', 224, 97, 2.27),
        ('small', 224, 116, 2.72),
        ('small', 224, 142, 3.32),
        ('small', 224, 173, 4.08),
        ('small', 224, 91, 2.15),
        ('small', 224, 138, 3.23),
        ('small', 224, 147, 3.43),  # Table 5, and the three rows after it
        ('small', 224, 155, 3.62),
        ('small', 224, 117, 2.73),
        ('small', 224, 132, 3.09),
        ('small', 384, 428, 11.14),
        ('large', 160, 89, 27.48),
        ('large', 192, 84, 25.93),
        ('large', 192, 111, 34.5),
        ('tiny', 512, 655, 5.6),
        ('tiny', 512, 565, 4.6),
        ('tiny', 512, 525, 4.2),
        ('small', 512, 684, 19.2),
        ('small', 512, 586, 15.9),
        ('small', 512, 552, 14.8),
    ],
)
def test_mixed_rows_of_tables_3_to_5(size, pixels, tokens, gmacs):
    """All rows whose figures are legible: of MSViT-S at 384 px, three give MACs that their own tokens contradict.

    Only present patches are embedded here, so a row may cost less than in the paper.
    """
    macs = macs_of(size, pixels, tokens, gated=True).total.item() / 1e9
    assert 0.94 * gmacs <= macs <= 1.02 * gmacs


@pytest.mark.parametrize('tokens', [97, 138, 196])
def test_the_gate_costs_at_most_one_percent(tokens):
    macs = macs_of('small', 224, tokens, gated=True)
    assert 0 < macs.gate.item() <= 0.01 * macs.total.item()


@pytest.mark.parametrize(
    ('gate', 'macs'),
    [
        (MLPGate(14, hidden_dims=(8,)), 12 * (3 * 14 * 14 * 8 + 8)),
        (ContextGate(14, width=8, depth=1), 12 * (4 * 48 * 8 + 4 * 8 * 8 + 25 * 8 + 8 * 8 + 8)),
        (RadialGate(16), 0),
        (SaliencyGate(16, saliency='detail'), 0),
        (SaliencyGate(16, saliency=torch.nn.Conv2d(3, 1, 3, padding=1)), 12 * 16 * 16 * 27),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseGate) else '',
)
def test_gates_know_what_they_cost(gate, macs):
    assert gate.eval().macs(3, 4) == BaseGate.macs(gate, 3, 4) == macs


def test_the_gate_with_context_costs_at_most_two_percent():
    net = MSViT('vit_tiny_patch16_224', img_size=(352, 480), gate=dict(type='msvit.ContextGate'))
    grid = net.grid(torch.empty(1, 3, 352, 480))
    for tokens in (grid.num_fine, 400):
        macs = net.macs(grid, torch.tensor([tokens]))
        assert 0 < macs.gate.item() <= 0.02 * macs.total.item()
