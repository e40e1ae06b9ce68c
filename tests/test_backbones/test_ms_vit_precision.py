"""Half precision by autocast: the same decisions, nearly the same features and gradients."""

import pytest
import torch

from msvit.backbones import MSViT

LAYOUTS = ('masked', 'trimmed', 'packed')
HALVES = pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=['bf16', 'fp16'])


@pytest.fixture
def net() -> MSViT:
    torch.manual_seed(0)
    sizes = dict(embed_dim=64, depth=3, num_heads=2, patch_size=8)
    net = MSViT(sizes, img_size=64, coarse_patch_size=16, gate=dict(type='msvit.MLPGate', init_p_fine=0.5))
    torch.nn.init.normal_(net.gate.mlp[-1].weight, std=1.0)  # decisions on both sides
    return net.eval()


@HALVES
@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_same_decisions_and_nearly_the_same_features(net, layout, dtype, device, assert_relative):
    net.to(device).layout = layout
    images = torch.randn(3, 3, 64, 64, device=device)
    with torch.no_grad():
        expected = net.forward_tokens(images)
        with torch.autocast(device, dtype=dtype):
            actual = net.forward_tokens(images)
    assert 0 < expected.fine_mask.float().mean() < 1
    assert torch.equal(actual.fine_mask, expected.fine_mask)
    assert_relative(actual.to_map().float(), expected.to_map(), 0.05)
    assert_relative(actual.prefix().float(), expected.prefix(), 0.05)


@HALVES
@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_gate_learns_in_the_same_direction(net, layout, dtype, device):
    net.to(device).train().train_layout = layout
    images, upstream = torch.randn(3, 3, 64, 64, device=device), torch.randn(3, 64, 8, 8, device=device)

    def gradient(**autocast) -> torch.Tensor:
        net.zero_grad()
        torch.manual_seed(1)  # the same draws
        with torch.autocast(device, **autocast):
            (features,) = net(images)
        (features.float() * upstream).mean().backward()
        net.pop_gate_losses()
        return torch.cat([p.grad.flatten() for p in net.gate.parameters()])

    exact, half = gradient(enabled=False), gradient(dtype=dtype)
    assert torch.isfinite(half).all()
    assert torch.nn.functional.cosine_similarity(exact, half, dim=0) > 0.98


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_model_in_half_precision(net, layout, device, assert_relative):
    """Every layout, and so every kernel, is near the exact features: they agree with each other."""
    net.layout = layout
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        expected = net.double().forward_tokens(images.double())
        net.to(device, torch.bfloat16)
        actual = net.forward_tokens(images.to(device, torch.bfloat16), fine_mask=expected.fine_mask)
    assert len(set(expected.counts.tolist())) > 1  # ragged
    assert actual.x.dtype == torch.bfloat16
    assert_relative(actual.to_map().double().cpu(), expected.to_map(), 0.05)
