"""What every gate loss must do: be found by config, survive saturated gates, and bring a gate to its target."""

import pytest
import torch
from torch import Tensor

from msvit.gates import sample_relaxed_bernoulli
from msvit.losses import GateLoss
from msvit.registry import MODELS

CONFIGS = {
    'gbas': dict(type='msvit.GBaSLoss', grid=(2, 3)),
    'gbas with memory': dict(type='msvit.GBaSLoss', grid=(2, 3), memory=8),
    'bas': dict(type='msvit.BaSLoss'),
    'bas with a beta prior': dict(type='msvit.BaSLoss', prior='beta'),
    'l0': dict(type='msvit.L0Loss'),
    'target': dict(type='msvit.TargetLoss'),
    'target, absolute': dict(type='msvit.TargetLoss', form='absolute'),
}
AIMING = {name: config for name, config in CONFIGS.items() if name != 'l0'}
every_loss = pytest.mark.parametrize('config', CONFIGS.values(), ids=CONFIGS.keys())
every_loss_with_a_target = pytest.mark.parametrize('config', AIMING.values(), ids=AIMING.keys())


def build(config: dict, **arguments) -> GateLoss:
    return MODELS.build({**config, **arguments})


def saturated(*shape: int, seed: int = 0) -> Tensor:
    """Values near, at and between 0 and 1, from log-odds of 1 to 1e5 and infinity."""
    generator = torch.Generator().manual_seed(seed)
    scale = 10 ** (5 * torch.rand(shape, generator=generator))
    logits = torch.randn(shape, generator=generator) * scale
    infinite = torch.rand(shape, generator=generator) < 0.2
    p_fine = torch.where(infinite, logits * torch.inf, logits).sigmoid()
    assert (p_fine == 0).any() and (p_fine == 1).any() and ((p_fine > 0) & (p_fine < 1)).any()
    return p_fine


@every_loss
def test_terms_are_scalars_with_gradient_times_the_weight(config):
    p_fine = torch.rand(4, 2, 3, requires_grad=True)
    plain, weighted = build(config)(p_fine), build(config, weight=4.0)(p_fine)
    assert plain and plain.keys() == weighted.keys()
    for name, term in plain.items():
        assert name.startswith('loss_gate')
        assert term.shape == () and term.requires_grad
        assert weighted[name].item() == pytest.approx(4 * term.item(), rel=1e-6)


@every_loss
def test_half_precision_is_evaluated_in_float32(config):
    p_fine = torch.rand(4, 2, 3).bfloat16()
    for (name, term), expected in zip(build(config)(p_fine).items(), build(config)(p_fine.float()).values(), strict=True):
        assert term.dtype == torch.float32, name
        assert torch.equal(term, expected)


@pytest.mark.parametrize('prior', ['relaxed_bernoulli', 'beta'])
def test_no_batch_of_10000_saturated_ones_makes_bas_infinite(prior):
    loss = build(CONFIGS['bas'], prior=prior, target=0.1)
    p_fine = saturated(10_000, 3, 2, 2).requires_grad_()
    values = torch.stack([loss(batch)['loss_gate_prior'] for batch in p_fine])
    values.sum().backward()
    assert torch.isfinite(values).all()
    assert torch.isfinite(p_fine.grad).all()


@pytest.mark.parametrize('memory', [0, 6])
def test_no_batch_of_10000_saturated_ones_makes_gbas_infinite(memory):
    """Each region is a batch of its own, with a prior of its own."""
    loss = build(CONFIGS['gbas'], grid=(100, 100), memory=memory)
    loss.prior_logit.data = torch.logit(saturated(100, 100, seed=1)).clamp(-1e5, 1e5)
    for seed in range(4):
        p_fine = saturated(4, 100, 100, seed=seed).requires_grad_()
        loss.prior_logit.grad = None
        terms = loss(p_fine)
        sum(terms.values()).backward()
        assert all(torch.isfinite(tensor).all() for tensor in (*terms.values(), p_fine.grad, loss.prior_logit.grad))


def train(loss: GateLoss) -> float:
    """Train six free log-odds with a loss alone; returns the mean probability of fine."""
    torch.manual_seed(0)
    logits = torch.nn.Parameter(torch.tensor([[0.5, -0.5, 0.0], [-1.0, 1.0, 0.2]]))
    optimizer = torch.optim.Adam([logits, *loss.parameters()], lr=0.05)
    for _ in range(250):
        p_fine = sample_relaxed_bernoulli(logits.expand(32, 2, 3), 0.3)
        optimizer.zero_grad()
        sum(loss(p_fine).values()).backward()
        optimizer.step()
    return logits.sigmoid().mean().item()


@every_loss_with_a_target
@pytest.mark.parametrize('target', [0.25, 0.75])
def test_a_free_gate_goes_to_the_target(config, target):
    narrow = dict(hyperprior_variance=0.01) if 'grid' in config else {}
    assert train(build(config, target=target, **narrow)) == pytest.approx(target, abs=0.1)


def test_l0_makes_a_free_gate_coarse():
    assert train(build(CONFIGS['l0'])) < 0.05


@every_loss
@pytest.mark.parametrize('shape', [(4, 6), (3,), (2, 1, 2, 3)])
def test_values_must_be_a_grid_for_each_image(config, shape):
    with pytest.raises(ValueError, match='p_fine has shape|p_fine must have shape'):
        build(config)(torch.rand(shape))


@every_loss
def test_no_images_are_an_error(config):
    with pytest.raises(ValueError, match=r'no values, its shape is \(0, 2, 3\)'):
        build(config)(torch.rand(0, 2, 3))


@every_loss
@pytest.mark.parametrize('weight', [-1, float('nan'), float('inf')])
def test_a_bad_weight_is_an_error(config, weight):
    with pytest.raises(ValueError, match=f'weight must (not be negative|be finite), got {weight}'):
        build(config, weight=weight)


@every_loss_with_a_target
@pytest.mark.parametrize('target', [0, 1, -0.2, float('nan')])
def test_a_bad_target_is_an_error(config, target):
    with pytest.raises(ValueError, match=rf'target must lie in \(0, 1\), got {target}'):
        build(config, target=target)
