"""Relaxed Bernoulli draws, and the budget of fine regions."""

import pytest
import torch

from msvit.gates import limit_fine_regions, sample_relaxed_bernoulli


@pytest.mark.parametrize('p_fine', [0.05, 0.5, 0.9])
@pytest.mark.parametrize('temperature', [0.1, 0.3, 1.0])
def test_the_share_of_fine_draws_is_the_probability(p_fine, temperature):
    torch.manual_seed(0)
    draws = sample_relaxed_bernoulli(torch.full((40_000,), p_fine).logit(), temperature)
    assert ((draws >= 0) & (draws <= 1)).all()
    assert (draws > 0.5).float().mean().item() == pytest.approx(p_fine, abs=0.01)


def test_a_seed_repeats_the_draws():
    logits = torch.randn(100)
    torch.manual_seed(3)
    first = sample_relaxed_bernoulli(logits, 0.3)
    again = sample_relaxed_bernoulli(logits, 0.3)
    torch.manual_seed(3)
    assert torch.equal(sample_relaxed_bernoulli(logits, 0.3), first)
    assert not torch.equal(again, first)


def test_extreme_logits_stay_finite_with_their_gradient():
    logits = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4], requires_grad=True)
    draws = sample_relaxed_bernoulli(logits, 0.1)
    draws.sum().backward()
    assert torch.isfinite(draws).all()
    assert torch.isfinite(logits.grad).all()


P_FINE = torch.tensor([[[0.9, 0.2], [0.6, 0.8]], [[0.1, 0.2], [0.3, 0.7]]])


@pytest.mark.parametrize(
    ('budget', 'expected'),
    [
        (None, [[[1, 0], [1, 1]], [[0, 0], [0, 1]]]),
        (2, [[[1, 0], [0, 1]], [[0, 0], [0, 1]]]),
        (0.25, [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]),
        (1, [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]),
        (1.0, [[[1, 0], [1, 1]], [[0, 0], [0, 1]]]),
        (100, [[[1, 0], [1, 1]], [[0, 0], [0, 1]]]),
        (0, [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]),
        (0.0, [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]),
    ],
)
def test_a_budget_keeps_the_most_needed_fine_regions(budget, expected):
    limited = limit_fine_regions(P_FINE > 0.5, P_FINE, budget)
    assert limited.dtype == torch.bool
    assert torch.equal(limited, torch.tensor(expected).bool())


@pytest.mark.parametrize('percent', range(0, 101))
def test_a_share_loses_no_region_to_rounding(percent):
    p_fine = torch.rand(1, 10, 10)
    assert limit_fine_regions(torch.ones(1, 10, 10, dtype=torch.bool), p_fine, percent / 100).sum() == percent


@pytest.mark.parametrize('budget', [-1, -0.5, 1.5, float('nan'), '3'])
def test_a_budget_out_of_range_is_an_error(budget):
    with pytest.raises(ValueError, match='budget must be a number of regions'):
        limit_fine_regions(P_FINE > 0.5, P_FINE, budget)
