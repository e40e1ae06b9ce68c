"""Losses on the mean share of fine regions."""

import pytest
import torch

from msvit.losses import L0Loss, TargetLoss

P_FINE = torch.tensor([[[0.0, 1.0]], [[0.5, 0.9]]])  # mean 0.6


def test_l0_is_the_share_of_fine_regions():
    p_fine = P_FINE.clone().requires_grad_()
    terms = L0Loss(weight=2.0)(p_fine)
    terms['loss_gate_l0'].backward()
    assert list(terms) == ['loss_gate_l0']
    assert terms['loss_gate_l0'].item() == pytest.approx(1.2)
    torch.testing.assert_close(p_fine.grad, torch.full((2, 1, 2), 0.5))


@pytest.mark.parametrize(
    ('target', 'form', 'expected', 'slope'),
    [
        (0.25, 'squared', 0.35**2, 2 * 0.35),
        (0.75, 'squared', 0.15**2, -2 * 0.15),
        (0.25, 'absolute', 0.35, 1.0),
        (0.75, 'absolute', 0.15, -1.0),
    ],
)
def test_distance_of_the_share_to_the_target(target, form, expected, slope):
    p_fine = P_FINE.clone().requires_grad_()
    terms = TargetLoss(target, form, weight=3.0)(p_fine)
    terms['loss_gate_target'].backward()
    assert list(terms) == ['loss_gate_target']
    assert terms['loss_gate_target'].item() == pytest.approx(3 * expected, rel=1e-5)
    torch.testing.assert_close(p_fine.grad, torch.full((2, 1, 2), 3 * slope / 4))


@pytest.mark.parametrize('form', ['squared', 'absolute'])
def test_nothing_pulls_at_the_target(form):
    p_fine = torch.full((2, 2, 2), 0.5, requires_grad=True)
    TargetLoss(0.5, form)(p_fine)['loss_gate_target'].backward()
    assert torch.equal(p_fine.grad, torch.zeros(2, 2, 2))


def test_an_unknown_form_is_an_error():
    with pytest.raises(ValueError, match="unknown form 'cubed': choose one of 'squared', 'absolute'"):
        TargetLoss(form='cubed')
