"""MACs against a counting forward pass, and against the paper's Table 4."""

import pytest
import torch

from msvit.analysis.macs import backbone_macs, count_macs
from msvit.backbones import MSViT
from msvit.tokens import position_table

GATE = dict(type='msvit.MLPGate')


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
@pytest.mark.parametrize('gate', [None, GATE], ids=['no gate', 'MLP gate'])
@pytest.mark.parametrize('share', [0.0, 0.4, 1.0])
def test_agrees_with_a_counted_forward_pass(arch, gate, share):
    patch = arch['patch_size'] if isinstance(arch, dict) else 16
    net = MSViT(arch, img_size=8 * patch, coarse_patch_size=2 * patch, gate=gate).eval()
    images = torch.randn(1, 3, 7 * patch, 10 * patch)
    mask = torch.rand(1, 4, 5, generator=torch.Generator().manual_seed(0)) < share
    grid = net.grid(images)
    macs = backbone_macs(net, grid, net.tokenize(images, mask).counts)
    assert macs.total.item() == pytest.approx(counted(net, images, mask), rel=0.005)
    assert (macs.gate.item() > 0) == (gate is not None)


def test_one_figure_for_each_image():
    net = MSViT(dict(embed_dim=32, depth=2, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16)
    macs = backbone_macs(net, net.grid(torch.zeros(1, 3, 32, 32)), torch.tensor([4, 10, 16])).total
    assert macs.shape == (3,)
    assert (macs.diff() > 0).all()


@pytest.fixture(scope='module')
def table_4():
    """The backbones of Table 4 at 512 px, without and with the gate (its decoder is not counted)."""

    def build(size, gate):
        return MSViT(f'vit_{size}_patch16_224', img_size=512, gate=gate)

    return {(size, gated): build(size, GATE if gated else None) for size in ('tiny', 'small') for gated in (False, True)}


@pytest.mark.parametrize(
    ('size', 'tokens', 'macs', 'tolerance'),
    [
        ('tiny', 1024, 1.04e10, 0.01),
        ('tiny', 655, 0.56e10, 0.03),
        ('tiny', 565, 0.46e10, 0.03),
        ('tiny', 525, 0.42e10, 0.03),
        ('small', 1024, 3.17e10, 0.01),
        ('small', 684, 1.92e10, 0.03),
        ('small', 586, 1.59e10, 0.03),
        ('small', 552, 1.48e10, 0.03),
    ],
)
def test_table_4_of_the_paper(table_4, size, tokens, macs, tolerance):
    net = table_4[size, tokens != 1024]
    grid = net.grid(torch.empty(1, 3, 512, 512))
    assert (net.gate is None) == (tokens == 1024)
    assert backbone_macs(net, grid, torch.tensor([tokens])).total.item() == pytest.approx(macs, rel=tolerance)
