"""The batch-shaping distance against an evaluation of its own in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import logistic

from msvit.losses import batch_shaping_loss, relaxed_bernoulli_cdf


def by_hand(m: np.ndarray, mean: np.ndarray | float, temperature: float) -> float:
    """Position by position, value by value."""
    batch, positions = m.shape
    mean = np.broadcast_to(mean, positions)
    terms = []
    for k in range(positions):
        values = np.clip(np.sort(m[:, k]), 1e-3, 1 - 1e-3)
        cdf = expit(temperature * logit(values) - logit(mean[k]))
        terms.append(np.mean([(i / (batch + 1) - cdf[i - 1]) ** 2 for i in range(1, batch + 1)]))
    return float(np.mean(terms))


def random_values(batch: int, positions: int) -> np.ndarray:
    return np.random.default_rng(0).random((batch, positions))


VALUES = {
    'random': random_values(8, 5),
    'one image': random_values(1, 5),
    'one position': random_values(8, 1),
    'ties': np.round(random_values(8, 5) * 2) / 2,
    'zeros': np.zeros((4, 3)),
    'ones': np.ones((4, 3)),
    'zeros and ones': np.round(random_values(16, 4)),
}


@pytest.mark.parametrize('values', VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize('mean', [0.1, 0.5, None])
@pytest.mark.parametrize('temperature', [0.3, 1.0])
def test_against_numpy(values, mean, temperature):
    mean = np.linspace(0.1, 0.9, values.shape[1]) if mean is None else mean
    given = torch.from_numpy(mean) if isinstance(mean, np.ndarray) else mean
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        loss = batch_shaping_loss(torch.from_numpy(values).to(dtype), given, temperature)
        assert loss.dtype == dtype
        assert loss.shape == ()
        assert loss.item() == pytest.approx(by_hand(values, mean, temperature), rel=tolerance)


@pytest.mark.parametrize('mean', [0.2, 0.5, 0.8])
def test_the_cdf_is_that_of_the_binary_concrete_draws(mean):
    """sigmoid((logit(mean) + logistic noise) / temperature) <= x, as a probability."""
    x, temperature = torch.linspace(0.01, 0.99, 9, dtype=torch.float64), 0.3
    expected = logistic.cdf(temperature * logit(x.numpy()) - logit(mean))
    np.testing.assert_allclose(relaxed_bernoulli_cdf(x, mean, temperature).numpy(), expected, rtol=1e-10)
    noise = logistic.rvs(size=200_000, random_state=0)
    draws = expit((logit(mean) + noise) / temperature)
    np.testing.assert_allclose([(draws <= value).mean() for value in x.numpy()], expected, atol=0.01)


def test_gradients_against_numerical_differentiation():
    m = torch.from_numpy(random_values(6, 4) * 0.9 + 0.05).requires_grad_()
    mean = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, mean: batch_shaping_loss(m, mean, 0.3), (m, mean))


@pytest.mark.parametrize('values', VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize('mean', [1e-12, 0.5, 1.0])
def test_saturated_gates_and_priors_give_finite_gradients(values, mean):
    m = torch.from_numpy(values).float().requires_grad_()
    prior = torch.full((values.shape[1],), mean).requires_grad_()
    loss = batch_shaping_loss(m, prior, 0.3)
    loss.backward()
    assert all(torch.isfinite(tensor).all() for tensor in (loss, m.grad, prior.grad))


def test_draws_from_the_prior_cost_least():
    torch.manual_seed(0)
    noise = torch.logit(torch.rand(4000, 1))
    costs = [
        batch_shaping_loss(torch.sigmoid((noise + torch.logit(torch.tensor(p))) / 0.3), 0.3, 0.3).item()
        for p in (0.1, 0.3, 0.6)
    ]
    assert costs[1] < 0.5 * min(costs[0], costs[2])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((torch.rand(4), 0.5, 0.3), r'm must have shape \(batch, positions\), got \(4,\)'),
        ((torch.rand(4, 2, 2), 0.5, 0.3), r'got \(4, 2, 2\)'),
        ((torch.rand(4, 2), torch.rand(3), 0.3), r'each of the 2 positions, got \(3,\)'),
        ((torch.rand(4, 2), torch.rand(1), 0.3), r'each of the 2 positions, got \(1,\)'),
        ((torch.rand(4, 2), 0.0, 0.3), r'mean must lie in \(0, 1\), got 0.0'),
        ((torch.rand(4, 2), 1.5, 0.3), r'mean must lie in \(0, 1\), got 1.5'),
        ((torch.rand(4, 2), 0.5, 0), 'temperature must be positive, got 0'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        batch_shaping_loss(*arguments)
