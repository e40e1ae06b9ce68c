"""Batch-shaping with one fixed prior, against numpy and scipy."""

import warnings

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import beta

from msvit.losses import BaSLoss, batch_shaping_loss, beta_cdf


def by_hand(p_fine: np.ndarray, cdf) -> float:
    values = np.clip(np.sort(p_fine.ravel()), 1e-3, 1 - 1e-3)
    ranks = np.arange(1, values.size + 1) / (values.size + 1)
    return float(np.mean((ranks - cdf(values)) ** 2))


@pytest.fixture
def p_fine() -> torch.Tensor:
    p_fine = torch.rand(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p_fine[0, 0] = torch.tensor([0.0, 1.0, 1.0])
    p_fine[1, 0] = p_fine[2, 1]
    return p_fine


@pytest.mark.parametrize('target', [0.1, 0.5])
@pytest.mark.parametrize('temperature', [0.3, 1.0])
def test_relaxed_bernoulli_prior(p_fine, target, temperature):
    loss = BaSLoss(target, temperature=temperature)(p_fine)['loss_gate_prior']
    expected = by_hand(p_fine.numpy(), lambda x: expit(temperature * logit(x) - logit(target)))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert loss.item() == pytest.approx(batch_shaping_loss(p_fine.reshape(-1, 1), target, temperature).item(), rel=1e-12)


@pytest.mark.parametrize('target', [0.1, 0.5])
@pytest.mark.parametrize('concentration', [0.5, 1.0, 8.0])
def test_beta_prior(p_fine, target, concentration):
    loss = BaSLoss(target, prior='beta', concentration=concentration)(p_fine)['loss_gate_prior']
    expected = by_hand(p_fine.numpy(), beta(target * concentration, (1 - target) * concentration).cdf)
    assert loss.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(('a', 'b'), [(0.5, 0.5), (0.1, 0.9), (2.0, 5.0), (1e-4, 1e-4), (400.0, 600.0)])
def test_beta_cdf_and_its_density(a, b):
    x = torch.linspace(0.002, 0.998, 7, dtype=torch.float64).requires_grad_()
    cdf = beta_cdf(x, a, b)
    cdf.sum().backward()
    np.testing.assert_allclose(cdf.detach().numpy(), beta(a, b).cdf(x.detach().numpy()), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(x.grad.numpy(), beta(a, b).pdf(x.detach().numpy()), rtol=1e-8, atol=1e-300)
    if a < 100:
        assert torch.autograd.gradcheck(lambda x: beta_cdf(x, a, b), (x,))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_beta_cdf_is_flat_where_it_is_clipped(dtype):
    x = torch.tensor([[0.0, 5e-4], [1 - 1e-6, 1.0]], dtype=dtype).requires_grad_()
    cdf = beta_cdf(x, 0.5, 0.5)
    cdf.sum().backward()
    assert cdf.dtype == dtype and cdf.shape == (2, 2)
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize('prior', ['relaxed_bernoulli', 'beta'])
def test_gradients_against_numerical_differentiation(prior):
    p_fine = (torch.rand(3, 2, 2, dtype=torch.float64) * 0.9 + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: BaSLoss(0.3, prior)(p)['loss_gate_prior'], (p_fine,))


@pytest.mark.parametrize('prior', ['relaxed_bernoulli', 'beta'])
def test_regions_and_images_are_one_sample(p_fine, prior):
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = p_fine.flatten()[order].reshape(3, 5, 2)
    assert BaSLoss(prior=prior)(shuffled)['loss_gate_prior'].item() == pytest.approx(
        BaSLoss(prior=prior)(p_fine)['loss_gate_prior'].item(), rel=1e-12
    )


def test_one_image_is_enough_but_one_value_is_not():
    loss = BaSLoss()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert loss(torch.rand(1, 2, 2))['loss_gate_prior'] > 0
    p_fine = torch.rand(1, 1, 1, requires_grad=True)
    with pytest.warns(UserWarning, match='larger batches.*gather=True'):
        term = loss(p_fine)['loss_gate_prior']
    term.backward()
    assert term.item() == 0
    assert p_fine.grad.item() == 0


def test_it_has_nothing_to_learn_or_to_save():
    assert not list(BaSLoss().parameters()) and not BaSLoss().state_dict()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(prior='normal'), "unknown prior 'normal': choose one of 'relaxed_bernoulli', 'beta'"),
        (dict(temperature=0), 'temperature must be positive, got 0'),
        (dict(temperature=float('nan')), 'temperature must be finite, got nan'),
        (dict(prior='beta', concentration=0), 'concentration must be positive, got 0'),
        (dict(prior='beta', concentration=float('inf')), 'concentration must be finite, got inf'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BaSLoss(**arguments)
