"""Patterns that nobody trains."""

import pytest
import torch

from msvit.gates import MaskGate, RadialGate, RandomGate, UniformGate

SHARED = [RadialGate, UniformGate, RandomGate]


@pytest.mark.parametrize('gate', SHARED)
@pytest.mark.parametrize('share', [0, 0.25, 0.3, 0.5, 0.99, 1])
@pytest.mark.parametrize('mode', [True, False])
def test_the_share_is_exact(gate, share, mode):
    images = torch.randn(3, 3, 80, 112)
    p_fine, fine_mask = gate(16, share).train(mode)(images)
    assert fine_mask.shape == (3, 5, 7)
    assert fine_mask.flatten(1).sum(1).tolist() == [round(share * 35)] * 3
    assert torch.equal(p_fine, fine_mask.float())


@pytest.mark.parametrize('gate', SHARED)
@pytest.mark.parametrize('share', [-0.1, 1.01])
def test_a_share_out_of_range_is_an_error(gate, share):
    with pytest.raises(ValueError, match=rf'fine_share must lie in \[0, 1\], got {share}'):
        gate(fine_share=share)


@pytest.mark.parametrize('shape', [(7, 7), (6, 10), (3, 4)])
def test_the_radial_gate_is_fine_in_the_centre(shape):
    images = torch.zeros(1, 3, shape[0] * 16, shape[1] * 16)
    mask = RadialGate(16, fine_share=0.4)(images).fine_mask[0]
    middle = mask[(shape[0] - 1) // 2 : shape[0] // 2 + 1, (shape[1] - 1) // 2 : shape[1] // 2 + 1]
    assert middle.all()
    assert not mask[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.mark.parametrize('share', [0.25, 0.5, 0.75])
def test_the_uniform_gate_spreads_evenly(share):
    mask = UniformGate(16, share)(torch.zeros(1, 3, 256, 256)).fine_mask[0].float()
    quarters = mask.reshape(2, 8, 2, 8).mean(dim=(1, 3))
    assert (quarters - share).abs().max() <= 0.07
    assert (mask.mean(0) - share).abs().max() <= 0.2
    assert (mask.mean(1) - share).abs().max() <= 0.2


def test_the_random_gate_draws_anew_in_training_and_once_at_test():
    images = torch.zeros(2, 3, 128, 128)
    gate = RandomGate(16, 0.5, seed=1).eval()
    first = gate(images).fine_mask
    assert torch.equal(gate(images).fine_mask, first)
    assert torch.equal(first[0], first[1])
    assert not torch.equal(RandomGate(16, 0.5, seed=2).eval()(images).fine_mask, first)
    gate.train()
    drawn = gate(images).fine_mask
    assert not torch.equal(drawn[0], drawn[1])
    torch.manual_seed(0)
    drawn = gate(images).fine_mask
    torch.manual_seed(0)
    assert torch.equal(gate(images).fine_mask, drawn)


def test_a_given_mask_is_taken_as_it_is():
    gate = MaskGate([[0, 1, 1], [1, 0, 0]], coarse_patch_size=16)
    p_fine, fine_mask = gate(torch.zeros(2, 3, 32, 48))
    assert torch.equal(fine_mask, torch.tensor([[0, 1, 1], [1, 0, 0]]).bool().expand(2, 2, 3))
    assert torch.equal(p_fine, fine_mask.float())
    assert not gate.state_dict()


def test_a_given_mask_must_fit():
    with pytest.raises(ValueError, match=r'two-dimensional, \(Hc, Wc\); got shape \(3,\)'):
        MaskGate([0, 1, 1])
    with pytest.raises(ValueError, match=r'mask has \(1, 2\) regions, the padded images \(2, 2\)'):
        MaskGate([[0, 1]], coarse_patch_size=16)(torch.zeros(1, 3, 32, 32))
