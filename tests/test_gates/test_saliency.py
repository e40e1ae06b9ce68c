"""A gate that follows the image without training."""

import pytest
import torch

from msvit.backbones import MSViT
from msvit.gates import SaliencyGate

MAPS = ['detail', 'edges']


def busy(height: int = 64, width: int = 96) -> torch.Tensor:
    """Two flat images; one has noise in its region (1, 2), the other in (0, 4); regions of 16 pixels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.full((2, 3, height, width), 0.3)
    images[0, :, 16:32, 32:48] = torch.rand(3, 16, 16, generator=generator)
    images[1, :, :16, 64:80] = torch.rand(3, 16, 16, generator=generator)
    return images


@pytest.mark.parametrize('saliency', MAPS)
def test_the_busiest_region_comes_first(saliency):
    mask = SaliencyGate(16, fine_share=1 / 24, saliency=saliency)(busy()).fine_mask
    assert mask.nonzero().tolist() == [[0, 1, 2], [1, 0, 4]]


@pytest.mark.parametrize('saliency', MAPS)
@pytest.mark.parametrize('share', [0, 0.3, 1])
def test_the_share_is_exact(saliency, share):
    p_fine, mask = SaliencyGate(16, share, saliency)(torch.rand(3, 3, 64, 96))
    assert mask.shape == (3, 4, 6)
    assert mask.flatten(1).sum(1).tolist() == [round(share * 24)] * 3
    assert torch.equal(p_fine, mask.float())


def test_detail_is_what_half_the_resolution_loses():
    gate = SaliencyGate(16, saliency='detail')
    blocks = torch.rand(2, 3, 16, 16).repeat_interleave(2, -1).repeat_interleave(2, -2)  # halving loses nothing
    assert gate.priority(blocks).abs().max() < 1e-12
    checkers = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    assert gate.priority(checkers.expand(1, 3, 32, 32).float()).allclose(torch.tensor(0.25))


@pytest.mark.parametrize(('direction', 'slope'), [(-1, 0.5), (-2, 0.25)])
def test_edges_are_the_slope_of_brightness(direction, slope):
    ramp = (torch.arange(48.0) * slope).expand(1, 3, 48, 48)
    ramp = ramp if direction == -1 else ramp.transpose(-1, -2)
    assert SaliencyGate(16, saliency='edges').priority(ramp)[0, 1, 1].item() == pytest.approx(slope, rel=1e-5)


def test_a_threshold_lets_the_share_follow_the_image():
    images = busy()
    images[1] = 0.3
    gate = SaliencyGate(16, saliency='detail', threshold=1e-4)
    assert gate(images).fine_mask.flatten(1).sum(1).tolist() == [1, 0]


@pytest.mark.parametrize('share', [0, 0.25, 0.6, 1])
def test_calibration_meets_the_mean_share(share):
    images = torch.rand(4, 3, 64, 64) * torch.tensor([0.2, 0.5, 1.0, 2.0])[:, None, None, None]
    gate = SaliencyGate(16)
    assert gate.calibrate(images, share) == gate.threshold
    counts = gate(images).fine_mask.flatten(1).sum(1)
    assert counts.sum().item() == round(share * 64)
    if share in (0.25, 0.6):
        assert counts.unique().numel() > 1


@pytest.mark.parametrize('shape', [(2, 7, 9), (2, 1, 7, 9)])
def test_any_function_may_give_the_map(shape):
    def right_half(images):
        return torch.linspace(0, 1, shape[-1]).expand(shape)

    mask = SaliencyGate(16, fine_share=0.5, saliency=right_half)(busy()).fine_mask
    assert torch.equal(mask, (torch.arange(6) >= 3).expand(2, 4, 6))


def test_it_speeds_up_a_pretrained_vit_as_it_is(tiny_msvit, assert_relative):
    plain = tiny_msvit()
    gated = tiny_msvit(gate=dict(type='msvit.SaliencyGate', fine_share=1.0))
    images = torch.rand(2, 3, 32, 32)
    assert_relative(gated(images)[0], plain(images)[0])
    gated.gate.fine_share = 0.25
    assert gated.tokenize(images).counts.tolist() == [7, 7]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(fine_share=1.5), r'fine_share must lie in \[0, 1\], got 1.5'),
        (dict(saliency='attention'), "unknown saliency 'attention': choose 'detail', 'edges', or give a module"),
        (dict(saliency=dict(type='msvit.Nothing')), 'the type msvit.Nothing is not registered'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SaliencyGate(**arguments)


@pytest.mark.parametrize('shape', [(2, 2, 8, 8), (1, 8, 8), (2, 64)])
def test_a_map_of_another_shape_is_an_error(shape):
    with pytest.raises(ValueError, match=r'map of 2 images must have shape \(B, H, W\)'):
        SaliencyGate(16, saliency=lambda images: torch.zeros(shape))(busy())


def test_calibration_checks_the_share():
    with pytest.raises(ValueError, match=r'fine_share must lie in \[0, 1\], got 2'):
        SaliencyGate(16).calibrate(busy(), 2)


def test_a_gate_that_nobody_trains_takes_no_gate_loss():
    with pytest.raises(ValueError, match='gate_loss has nothing to train'):
        MSViT(gate=dict(type='msvit.SaliencyGate'), gate_loss=dict(type='msvit.GBaSLoss'))
