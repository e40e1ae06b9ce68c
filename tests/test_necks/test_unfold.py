"""Coarse tokens that say something of their own to each of their cells."""

import pytest
import torch

from msvit.necks import ReplicateTokens, UnfoldTokens


def tokens_and_neck(tiny_msvit, layout='packed'):
    images = torch.randn(2, 3, 40, 56)  # the last row and column of regions lack cells
    mask = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) > 0.5
    tokens = tiny_msvit(layout=layout, out_indices=(0, 1), out_type='tokens')(images, fine_mask=mask)
    neck = UnfoldTokens(32)
    torch.nn.init.normal_(neck.weight, generator=torch.Generator().manual_seed(1))
    return tokens, mask, neck


def test_at_first_this_is_replication(tiny_msvit, layout):
    tokens, _, _ = tokens_and_neck(tiny_msvit, layout)
    for ours, theirs in zip(UnfoldTokens(32)(tokens), ReplicateTokens()(tokens), strict=True):
        assert torch.equal(ours, theirs)


def test_agrees_with_a_loop(tiny_msvit, layout):
    tokens, mask, neck = tokens_and_neck(tiny_msvit, layout)
    for ours, plain in zip(neck(tokens), ReplicateTokens()(tokens), strict=True):
        assert ours.shape == plain.shape == (2, 32, 5, 7)
        for image in range(2):
            for row in range(5):
                for column in range(7):
                    feature = plain[image, :, row, column]
                    if not mask[image, row // 2, column // 2]:
                        feature = feature + feature @ neck.weight[row % 2, column % 2]
                    assert torch.allclose(ours[image, :, row, column], feature, atol=1e-5)


def test_fine_cells_stay(tiny_msvit):
    tokens, _, neck = tokens_and_neck(tiny_msvit)
    net = tiny_msvit(out_type='tokens')
    everywhere = net(torch.randn(1, 3, 32, 32), fine_mask=torch.ones(1, 2, 2, dtype=torch.bool))
    assert torch.equal(neck(everywhere)[0], ReplicateTokens()(everywhere)[0])


def test_all_fine_images_leave_a_gradient_of_zero(tiny_msvit):
    """Distributed training wants a gradient of every parameter in every step, the dense ones too."""
    neck = UnfoldTokens(32)
    tokens = tiny_msvit(out_type='tokens')(torch.randn(1, 3, 32, 32), fine_mask=torch.ones(1, 2, 2, dtype=torch.bool))
    neck(tokens)[0].sum().backward()
    assert neck.weight.grad is not None and not neck.weight.grad.any()


def test_another_ratio_is_an_error(tiny_msvit):
    tokens, _, _ = tokens_and_neck(tiny_msvit)
    with pytest.raises(ValueError, match='UnfoldTokens has ratio=4, the tokens 2: set ratio=2'):
        UnfoldTokens(32, ratio=4)(tokens)
