"""Generalised batch-shaping: both terms, their gradients, and that the target is reached."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from msvit.losses import GBaSLoss, batch_shaping_loss
from msvit.registry import MODELS


def with_priors(loss: GBaSLoss, seed: int = 0, spread: float = 1.0) -> GBaSLoss:
    torch.nn.init.normal_(loss.prior_logit, std=spread, generator=torch.Generator().manual_seed(seed))
    return loss


@pytest.mark.parametrize('target', [0.1, 0.5])
@pytest.mark.parametrize('variance', [0.1, 0.02])
@pytest.mark.parametrize('weight', [1.0, 4.0])
def test_both_terms_by_hand(target, variance, weight):
    loss = with_priors(GBaSLoss((3, 5), target, hyperprior_variance=variance, weight=weight))
    p_fine = torch.rand(6, 3, 5)
    terms = loss(p_fine)
    assert sorted(terms) == ['loss_gate_hyperprior', 'loss_gate_prior']
    mean = torch.sigmoid(loss.prior_logit.detach().double())
    torch.testing.assert_close(loss.prior_mean.double(), mean)
    prior = batch_shaping_loss(p_fine.double().flatten(1), mean.flatten(), 0.3)
    assert terms['loss_gate_prior'].item() == pytest.approx(weight * prior.item(), rel=1e-5)
    cdf = norm(target, np.sqrt(variance)).cdf(np.sort(mean.flatten().numpy()))
    expected = np.mean([(k / 16 - cdf[k - 1]) ** 2 for k in range(1, 16)])
    assert terms['loss_gate_hyperprior'].item() == pytest.approx(weight * expected, rel=1e-5)


def test_priors_start_at_one_half():
    assert torch.equal(GBaSLoss((2, 3)).prior_mean, torch.full((2, 3), 0.5))


def test_gradients_against_numerical_differentiation():
    loss = with_priors(GBaSLoss((2, 2), 0.3)).double()
    mean = loss.prior_mean.detach().requires_grad_()
    assert torch.autograd.gradcheck(loss._hyperprior, (mean,))


def test_gradients_reach_priors_from_both_terms_and_the_gate_from_one():
    p_fine = (0.05 + 0.9 * torch.rand(4, 2, 2)).requires_grad_()  # where nothing is clipped
    gradients = {}
    for name in ('loss_gate_prior', 'loss_gate_hyperprior'):
        loss = with_priors(GBaSLoss((2, 2)))
        p_fine.grad = None
        loss(p_fine)[name].backward()
        assert (loss.prior_logit.grad != 0).all()
        gradients[name] = p_fine.grad
    assert (gradients['loss_gate_prior'] != 0).all()
    assert gradients['loss_gate_hyperprior'] is None


@pytest.mark.parametrize('value', [0.0, 1.0])
@pytest.mark.parametrize('logit', [-200.0, -20.0, 0.0, 20.0, 200.0])
def test_saturated_gates_and_priors_give_finite_gradients(value, logit):
    loss = GBaSLoss((2, 2))
    torch.nn.init.constant_(loss.prior_logit, logit)
    p_fine = torch.full((4, 2, 2), value, requires_grad=True)
    sum(loss(p_fine).values()).backward()
    assert torch.isfinite(p_fine.grad).all()
    assert torch.isfinite(loss.prior_logit.grad).all()


def test_half_precision_is_evaluated_in_float32():
    terms = GBaSLoss((2, 2))(torch.rand(4, 2, 2).bfloat16())
    assert {term.dtype for term in terms.values()} == {torch.float32}


@pytest.mark.parametrize('target', [0.25, 0.5, 0.75])
def test_a_free_gate_goes_to_the_target(target):
    torch.manual_seed(0)
    loss = GBaSLoss((4, 4), target, hyperprior_variance=0.01)
    logits = torch.nn.Parameter(torch.full((4, 4), 1.5))
    optimizer = torch.optim.Adam([logits, *loss.parameters()], lr=0.05)
    for _ in range(300):
        noise = torch.logit(torch.rand(32, 4, 4).clamp(1e-6, 1 - 1e-6))
        p_fine = torch.sigmoid((logits + noise) / 0.3)
        optimizer.zero_grad()
        sum(loss(p_fine).values()).backward()
        optimizer.step()
    assert loss.prior_mean.mean().item() == pytest.approx(target, abs=0.05)
    assert logits.sigmoid().mean().item() == pytest.approx(target, abs=0.08)


def test_found_in_the_registry():
    assert isinstance(MODELS.build(dict(type='msvit.GBaSLoss', grid=(2, 2))), GBaSLoss)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(grid=(0, 4)), r'grid must be \(Hc, Wc\).*got \(0, 4\)'),
        (dict(grid=(4,)), r'grid must be \(Hc, Wc\)'),
        (dict(grid=(2, 2), target=0), r'target must lie in \(0, 1\), got 0'),
        (dict(grid=(2, 2), target=1.0), r'target must lie in \(0, 1\), got 1.0'),
        (dict(grid=(2, 2), temperature=0), 'temperature must be positive, got 0'),
        (dict(grid=(2, 2), hyperprior_variance=0), 'hyperprior_variance must be positive, got 0'),
        (dict(grid=(2, 2), weight=-1), 'weight must not be negative, got -1'),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        GBaSLoss(**arguments)


@pytest.mark.parametrize('shape', [(4, 2, 3), (4, 6), (2, 2)])
def test_another_grid_is_an_error(shape):
    with pytest.raises(ValueError, match=r'priors have grid \(3, 2\), but p_fine has shape'):
        GBaSLoss((3, 2))(torch.rand(shape))
