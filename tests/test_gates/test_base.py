"""A gate's decision and its straight-through gradient."""

import pytest
import torch

from msvit.gates import GateOutput, MLPGate


def test_straight_through_is_the_mask_with_the_gradient_of_p_fine():
    p_fine = torch.rand(4, 50, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    fine_mask = p_fine > 0.5
    gate = GateOutput(p_fine, fine_mask).straight_through()
    # exactly 0 and 1: a weight of 6e-8 would let absent tokens through
    assert torch.equal(gate, fine_mask.float())
    assert torch.equal(1 - gate, (~fine_mask).float())
    factor = torch.randn_like(gate)
    (gradient,) = torch.autograd.grad((gate * factor).sum(), p_fine)
    assert torch.equal(gradient, factor)


def test_there_is_no_gradient_to_pass_where_nothing_trains():
    p_fine = torch.rand(1, 2, 2)
    assert GateOutput(p_fine, p_fine > 0.5).straight_through() is None
    with torch.no_grad():
        assert GateOutput(p_fine.clone().requires_grad_(), p_fine > 0.5).straight_through() is None


def test_a_region_needs_a_pixel():
    with pytest.raises(ValueError, match='coarse_patch_size must be at least 1 pixel, got 0'):
        MLPGate(coarse_patch_size=0)
