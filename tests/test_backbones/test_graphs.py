"""Blocks on padded tokens, as CUDA graphs replay them: the features without padding."""

import copy
import pickle

import pytest
import torch

from msvit.backbones import MSEViT
from msvit.backbones.graphs import BlockGraphs

SIZE = 48  # nine regions of 16 pixels
TOLERANCES = {'cpu': 1e-5, 'cuda': 1e-4}
ARCHS = {
    'plain': {},
    'registers': dict(reg_tokens=4),
    'no class token': dict(class_token=False),
    'normed': dict(qk_norm=True, init_values=0.1),
}


def mask(fine: int) -> torch.Tensor:
    return (torch.arange(9) < fine).reshape(1, 3, 3)


@pytest.fixture
def images(device) -> torch.Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device)


@pytest.mark.parametrize('bucket', [1, 8, 32])
@pytest.mark.parametrize('arch', ARCHS)
def test_padding_changes_no_feature(arch, bucket, device, images, tiny_msvit, assert_relative):
    net = tiny_msvit(ARCHS[arch], img_size=SIZE, out_type='tokens', out_indices=(0, 1)).to(device)
    with torch.no_grad():
        expected = {fine: net(images, fine_mask=mask(fine)) for fine in range(10)}
        net.capture_graphs(bucket)
        for fine in (*range(10), 3, 0):  # a shorter image behind a longer one meets what that left
            for ours, wanted in zip(net(images, fine_mask=mask(fine)), expected[fine], strict=True):
                assert_relative(ours.x, wanted.x, TOLERANCES[device])
                assert torch.equal(ours.counts, wanted.counts)


def test_no_output_is_overwritten_by_the_next_image(device, images, tiny_msvit):
    net = tiny_msvit(img_size=SIZE).to(device)
    net.capture_graphs()
    with torch.no_grad():
        (first,) = net(images)
        kept = first.clone()
        net(images + 1)
    assert torch.equal(first, kept)


def test_an_image_that_is_not_finite_spoils_no_other(device, images, tiny_msvit):
    net = tiny_msvit(img_size=SIZE).to(device)
    net.capture_graphs(64)
    with torch.no_grad():
        net(images.fill_(torch.nan), fine_mask=mask(9))
        assert torch.isfinite(net(torch.zeros_like(images), fine_mask=mask(0))[0]).all()


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_in_half_precision_and_moved(mode, device, images, tiny_msvit, assert_relative):
    net = tiny_msvit(img_size=SIZE).to(device)
    net.capture_graphs()
    with mode():
        expected = net(images)[0]
        net.to('cpu', torch.bfloat16).to(device)
        assert_relative(net(images.bfloat16())[0].float(), expected, 0.1)
        net.float()
    with torch.no_grad():
        assert_relative(net(images)[0], expected, 0.1)


def test_where_they_do_not_serve_all_is_as_before(device, images, tiny_msvit, monkeypatch):
    """In training, with gradients, of several images, in the masked layout, under autocast."""
    net = tiny_msvit(img_size=SIZE, gate=dict(type='msvit.MLPGate')).to(device)
    net.capture_graphs()
    monkeypatch.setattr(BlockGraphs, '__call__', lambda *_: pytest.fail('a graph was to run'))
    assert net(images)[0].requires_grad
    with torch.no_grad():
        net(images.expand(2, -1, -1, -1))
        with torch.autocast(device, torch.bfloat16):
            net(images)
        net.train()(images)
        net.eval().layout = 'masked'
        net(images)


def test_copies_capture_their_own(tiny_msvit):
    net = tiny_msvit(img_size=SIZE)
    net.capture_graphs(16)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin._graphs is not net._graphs
        assert twin._graphs.bucket == 16


def test_what_cannot_be():
    with pytest.raises(ValueError, match='bucket must be at least 1 token, got 0'):
        BlockGraphs(0)
    net = MSEViT(dict(embed_dim=32, depth=2, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16, prune_at=(1,))
    with pytest.raises(TypeError, match='MSEViT has no CUDA graphs'):
        net.capture_graphs()


@pytest.mark.gpu
def test_compiled_blocks_are_captured_too(tiny_msvit, assert_relative):
    torch.compiler.reset()
    net, images = tiny_msvit(img_size=SIZE).cuda(), torch.randn(1, 3, SIZE, SIZE, device='cuda')
    with torch.no_grad():
        expected = net(images)[0]
        net.compile_blocks()
        net.capture_graphs()
        assert_relative(net(images)[0], expected, TOLERANCES['cuda'])
        assert_relative(net(images)[0], expected, TOLERANCES['cuda'])
