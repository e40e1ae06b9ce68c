"""The batch-shaping distance against an evaluation of its own in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import logistic, rankdata

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


def gradient_by_hand(m: np.ndarray, mean: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """d/dm and d/dmean, by the chain rule; equal values are ranked in the order of images."""
    batch, positions = m.shape
    grad_m, grad_mean = np.zeros((batch, positions)), np.zeros(positions)
    for k in range(positions):
        for rank, i in enumerate(np.argsort(m[:, k], kind='stable'), start=1):
            x = min(max(m[i, k], 1e-3), 1 - 1e-3)
            cdf = expit(temperature * logit(x) - logit(mean[k]))
            outer = -2 * (rank / (batch + 1) - cdf) * cdf * (1 - cdf) / (batch * positions)
            grad_mean[k] -= outer / (mean[k] * (1 - mean[k]))
            if x == m[i, k]:  # not clipped
                grad_m[i, k] = outer * temperature / (x * (1 - x))
    return grad_m, grad_mean


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
    'around the clip': np.array([[0.0, 1.0], [5e-4, 1 - 5e-4], [2e-3, 1 - 2e-3], [0.5, 0.5], [1.0, 0.0]]),
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


@pytest.mark.parametrize('values', VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize('temperature', [0.3, 1.0])
def test_gradient_against_numpy(values, temperature):
    prior = np.linspace(0.1, 0.9, values.shape[1])
    expected = gradient_by_hand(values, prior, temperature)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 2e-4)):
        m, mean = (torch.tensor(array, dtype=dtype, requires_grad=True) for array in (values, prior))
        batch_shaping_loss(m, mean, temperature).backward()
        for tensor, gradient in zip((m, mean), expected, strict=True):
            np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=tolerance, atol=tolerance * 1e-2)
    assert (expected[0][(values < 1e-3) | (values > 1 - 1e-3)] == 0).all()


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


def test_half_precision_is_evaluated_in_float32():
    m = torch.tensor([[0.0, 1.0], [0.5, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = batch_shaping_loss(m, 0.3, 0.3)
    loss.backward()
    assert torch.equal(loss, batch_shaping_loss(m.float(), 0.3, 0.3))
    assert torch.isfinite(m.grad).all()


def test_draws_from_the_prior_cost_least():
    torch.manual_seed(0)
    noise = torch.logit(torch.rand(4000, 1))
    costs = [
        batch_shaping_loss(torch.sigmoid((noise + torch.logit(torch.tensor(p))) / 0.3), 0.3, 0.3).item()
        for p in (0.1, 0.3, 0.6)
    ]
    assert costs[1] < 0.5 * min(costs[0], costs[2])


def test_remembered_values_take_part_in_the_ranks_alone():
    m, others = random_values(5, 3), np.random.default_rng(1).random((7, 3))
    mean, ranks = np.array([0.2, 0.5, 0.8]), rankdata(np.concatenate([m, others]), axis=0)[:5]
    expected = np.mean((ranks / 13 - expit(0.3 * logit(np.clip(m, 1e-3, 1 - 1e-3)) - logit(mean))) ** 2)
    given, remembered = torch.tensor(m, requires_grad=True), torch.tensor(others, requires_grad=True)
    loss = batch_shaping_loss(given, torch.tensor(mean), 0.3, remembered=remembered)
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert remembered.grad is None
    assert (given.grad != 0).all()


@pytest.mark.parametrize('remembered', [None, torch.empty(0, 5)])
@pytest.mark.parametrize('values', [VALUES['random'], VALUES['ties']])
def test_nothing_remembered_is_the_plain_formula(values, remembered):
    m = torch.from_numpy(values)
    assert torch.equal(batch_shaping_loss(m, 0.3, 0.3, remembered=remembered), batch_shaping_loss(m, 0.3, 0.3))


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
def test_equal_remembered_values_pull_priors_neither_way(value):
    """Gates that always say the same: as many values, remembered or not, have the same mean rank."""
    gradients = []
    for current in (12, 4):
        mean = torch.full((1,), 0.3, dtype=torch.float64, requires_grad=True)
        m, remembered = torch.full((12, 1), value, dtype=torch.float64).split([current, 12 - current])
        batch_shaping_loss(m, mean, 0.3, remembered=remembered).backward()
        gradients.append(mean.grad.item())
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-10)


def test_bad_remembered_values():
    for shape in ((4,), (4, 3)):
        with pytest.raises(ValueError, match=rf'remembered must have shape \(images, 2\) as m has, got \({shape[0]},'):
            batch_shaping_loss(torch.rand(4, 2), 0.5, 0.3, remembered=torch.rand(shape))


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
