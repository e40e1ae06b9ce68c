"""Generalised batch-shaping: both terms and their gradients, where priors start, what is remembered and resized."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import load_state_dict
from scipy.stats import norm

from msvit.losses import GBaSLoss, batch_shaping_loss


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


def test_equal_priors_stay_equal_until_the_gate_tells_them_apart():
    """Ranks that follow the order in memory would make the last rows fine, whatever the images show."""
    loss = GBaSLoss((4, 4), 0.25)
    loss(torch.rand(8, 4, 4))['loss_gate_hyperprior'].backward()
    gradient = loss.prior_logit.grad
    assert gradient[0, 0] > 0  # towards the target, below 0.5
    assert torch.equal(gradient, gradient[:1, :1].expand(4, 4))


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


def test_centred_priors_are_fine_in_the_middle_and_one_half_on_average():
    mean = GBaSLoss((5, 7), target=0.1, init='centre').prior_mean.detach()
    assert mean.mean().item() == pytest.approx(0.5, abs=1e-6)
    assert mean.max() == mean[2, 3] and mean[2, 3].item() == pytest.approx(0.9)
    assert mean.min() == mean[0, 0] and 0.1 <= mean[0, 0] < 0.3
    torch.testing.assert_close(mean, mean.flip(0, 1))
    assert (mean[2, 3:].diff() < 0).all() and (mean[2:, 3].diff() < 0).all()


@pytest.mark.parametrize('grid', [(1, 1), (2, 2), (1, 2)])
def test_a_grid_without_a_middle_starts_uniform(grid):
    torch.testing.assert_close(GBaSLoss(grid, init='centre').prior_mean, torch.full(grid, 0.5))


def test_memory_holds_the_last_images_first_in_first_out():
    torch.manual_seed(0)
    loss = with_priors(GBaSLoss((2, 2), memory=5))
    past = torch.empty(0, 4)
    for images in (2, 2, 3, 8, 1):
        m = torch.rand(images, 4)
        expected = batch_shaping_loss(m, loss.prior_mean.flatten(), 0.3, remembered=past[:5])
        assert torch.equal(loss(m.reshape(images, 2, 2))['loss_gate_prior'], expected)
        past = torch.cat([m, past])
    assert torch.equal(loss.memory.values, past[:5])


def test_memory_is_filled_in_training_only_and_is_not_saved():
    loss = GBaSLoss((2, 2), memory=5)
    loss.eval()(torch.rand(3, 2, 2))
    assert len(loss.memory.values) == 0
    loss.train()(torch.rand(3, 2, 2, requires_grad=True))
    assert len(loss.memory.values) == 3 and not loss.memory.values.requires_grad
    assert list(loss.state_dict()) == ['prior_logit']
    loss.load_state_dict(GBaSLoss((2, 2)).state_dict())


def test_without_memory_two_equal_batches_cost_the_same():
    loss, p_fine = GBaSLoss((2, 2)), torch.rand(3, 2, 2)
    assert torch.equal(loss(p_fine)['loss_gate_prior'], loss(p_fine)['loss_gate_prior'])


def test_memory_makes_single_images_shape_the_priors():
    """One image at a time, a quarter of them fine."""
    loss = GBaSLoss((1, 1), memory=64)
    torch.nn.init.constant_(loss.prior_logit, 2.0)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    noise = torch.logit(torch.rand(600, 1, 1, generator=torch.Generator().manual_seed(0)))
    draws = torch.sigmoid((noise + torch.logit(torch.tensor(0.25))) / 0.3)
    loss(draws[:2])
    for p_fine in draws[2:].split(1):
        optimizer.zero_grad()
        loss(p_fine)['loss_gate_prior'].backward()
        optimizer.step()
    assert loss.prior_mean.item() == pytest.approx(0.25, abs=0.1)


def test_averaged_copies_of_a_model_follow_the_memory():
    """As mmengine's moving averages do: copied at the start, buffers copied in place later."""
    net = torch.nn.Sequential(GBaSLoss((2, 2), memory=4))
    average = ExponentialMovingAverage(net)
    net(torch.rand(3, 2, 2))
    average.update_parameters(net)
    assert torch.equal(average.module[0].memory.rows, net[0].memory.rows)


@pytest.mark.parametrize('memory', [0, 8])
def test_one_image_is_no_distribution(memory):
    loss = GBaSLoss((2, 2), target=0.3, memory=memory, weight=4.0)
    p_fine = torch.rand(1, 2, 2, requires_grad=True)
    with pytest.warns(UserWarning, match='GBaSLoss: .*larger batches.*gather=True.*memory=64') as caught:
        terms = loss(p_fine)
    assert len(caught) == 1
    assert terms['loss_gate_prior'].item() == 0 and terms['loss_gate_hyperprior'].item() > 0
    terms['loss_gate_prior'].backward()
    assert torch.equal(p_fine.grad, torch.zeros(1, 2, 2))
    assert torch.equal(loss.prior_logit.grad, torch.zeros(2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        again = loss(p_fine)['loss_gate_prior']
    assert (again > 0) == (memory > 0)


def test_learned_priors_are_resized_to_another_grid(caplog):
    saved = with_priors(GBaSLoss((4, 6)))
    net = torch.nn.ModuleDict(dict(gate_loss=GBaSLoss((8, 9))))
    state = torch.nn.ModuleDict(dict(gate_loss=saved)).state_dict()
    net.load_state_dict(state)
    expected = F.interpolate(saved.prior_logit[None, None].detach(), size=(8, 9), mode='bilinear', antialias=True)[0, 0]
    torch.testing.assert_close(net['gate_loss'].prior_logit.detach(), expected)
    assert state['gate_loss.prior_logit'].shape == (4, 6)
    assert 'gate_loss.prior_logit: the learned priors of 4x6 regions are resized to the 8x9 of the model' in caplog.text


def test_through_openmmlabs_loader_too(caplog):
    net = GBaSLoss((2, 3))
    load_state_dict(net, GBaSLoss((4, 6), init='centre').state_dict(), strict=True)
    assert net.prior_mean[0, 1] > net.prior_mean[0, 0] + 0.1
    assert 'resized' in caplog.text


def test_priors_of_the_same_grid_are_loaded_as_they_are(caplog):
    saved, net = with_priors(GBaSLoss((4, 6))), GBaSLoss((4, 6))
    net.load_state_dict(saved.state_dict())
    assert torch.equal(net.prior_logit, saved.prior_logit)
    assert not caplog.text


def test_what_is_no_grid_is_refused():
    with pytest.raises(RuntimeError, match='size mismatch'):
        GBaSLoss((4, 6)).load_state_dict(dict(prior_logit=torch.zeros(24)))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(grid=(0, 4)), r'grid must be \(Hc, Wc\).*got \(0, 4\)'),
        (dict(grid=(4,)), r'grid must be \(Hc, Wc\)'),
        (dict(grid=4), r'grid must be \(Hc, Wc\)'),
        (dict(grid=(2.5, 4)), r'grid must be \(Hc, Wc\)'),
        (dict(grid=(2, 2), target=0), r'target must lie in \(0, 1\), got 0'),
        (dict(grid=(2, 2), target=1.0), r'target must lie in \(0, 1\), got 1.0'),
        (dict(grid=(2, 2), temperature=0), 'temperature must be positive, got 0'),
        (dict(grid=(2, 2), hyperprior_variance=0), 'hyperprior_variance must be positive, got 0'),
        (dict(grid=(2, 2), weight=-1), 'weight must not be negative, got -1'),
        (dict(grid=(2, 2), init='center'), "unknown init 'center': choose one of 'uniform', 'centre'"),
        (dict(grid=(2, 2), memory=-1), 'memory must be an int of at least 0, got -1'),
        (dict(grid=(2, 2), memory=2.0), 'memory must be an int of at least 0, got 2.0'),
        (dict(grid=(2, 2), memory=True), 'memory must be an int of at least 0, got True'),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        GBaSLoss(**arguments)


@pytest.mark.parametrize('shape', [(4, 2, 3), (4, 6), (2, 2)])
def test_another_grid_is_an_error(shape):
    with pytest.raises(ValueError, match=r'priors have grid \(3, 2\), but p_fine has shape'):
        GBaSLoss((3, 2))(torch.rand(shape))
