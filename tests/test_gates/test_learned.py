"""The MLP gate: local, noisy in training, deterministic at test, adjustable at run time."""

import pytest
import torch

from msvit.gates import MLPGate


def make_gate(seed: int = 0, **kwargs) -> MLPGate:
    torch.manual_seed(seed)
    gate = MLPGate(coarse_patch_size=16, hidden_dims=(16,), **kwargs)
    torch.nn.init.normal_(gate.mlp[-1].weight)  # decisions that differ from region to region
    return gate


@pytest.fixture
def images():
    return torch.randn(4, 3, 64, 96, generator=torch.Generator().manual_seed(5))


def test_shapes_and_threshold_at_test(images):
    gate = make_gate(init_p_fine=0.5).eval()
    p_fine, fine_mask = gate(images)
    assert p_fine.shape == fine_mask.shape == (4, 4, 6)
    assert torch.equal(fine_mask, p_fine > 0.5)
    assert 0 < fine_mask.float().mean() < 1


def test_a_decision_reads_its_own_region_alone(images):
    gate = make_gate().eval()
    before = gate(images).p_fine
    images[:, :, 16:32, 32:48] += 1
    changed = gate(images).p_fine != before
    assert changed[:, 1, 2].all()
    assert changed.sum() == 4


def test_the_default_costs_as_documented():
    gate = MLPGate()
    layers = [layer for layer in gate.mlp if isinstance(layer, torch.nn.Linear)]
    assert len(layers) == 4
    assert sum(layer.weight.numel() for layer in layers) == pytest.approx(0.43e6, rel=0.01)


def test_evaluation_is_deterministic_and_training_repeats_with_the_seed(images):
    gate = make_gate().eval()
    torch.manual_seed(1)
    first = gate(images).p_fine
    torch.manual_seed(2)
    assert torch.equal(gate(images).p_fine, first)
    gate.train()
    torch.manual_seed(1)
    first = gate(images)
    torch.manual_seed(1)
    assert all(torch.equal(a, b) for a, b in zip(gate(images), first, strict=True))
    assert not torch.equal(gate(images).p_fine, first.p_fine)


@pytest.mark.parametrize('init_p_fine', [0.1, 0.5, 0.9])
def test_training_starts_at_the_wanted_share(init_p_fine):
    torch.manual_seed(0)
    gate = MLPGate(coarse_patch_size=16, init_p_fine=init_p_fine)
    images = torch.randn(32, 3, 128, 128)
    probabilities = gate.eval()(images).p_fine
    assert probabilities.mean().item() == pytest.approx(init_p_fine, abs=0.05)
    gate.train()
    share = torch.stack([gate(images).fine_mask.float().mean() for _ in range(5)]).mean()
    assert share.item() == pytest.approx(init_p_fine, abs=0.05)


def test_gradients_reach_every_layer(images):
    gate = make_gate().train()
    gate(images).straight_through().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in gate.parameters())


def test_threshold_and_budget_change_at_run_time(images):
    gate = make_gate(init_p_fine=0.5).eval()
    p_fine = gate(images).p_fine
    counts = []
    for gate.threshold in (0.0, 0.3, 0.7, 1.0):
        mask = gate(images).fine_mask
        assert torch.equal(mask, p_fine > gate.threshold)
        counts.append(mask.sum().item())
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == p_fine.numel()
    assert counts[-1] == 0
    gate.threshold = 0.0
    for gate.budget, expected in ((5, 5), (0.5, 12), (0, 0), (1.0, 24), (None, 24)):
        assert gate(images).fine_mask.flatten(1).sum(1).tolist() == [expected] * 4
    gate.threshold, gate.budget = 0.5, 5
    assert not (gate(images).fine_mask & (p_fine <= 0.5)).any()  # a budget never makes a region fine


@pytest.mark.parametrize('threshold', [7, -0.1, float('nan')])
def test_a_bad_threshold_set_later_is_an_error(images, threshold):
    gate = make_gate().eval()
    gate.threshold = threshold
    with pytest.raises(ValueError, match=r'threshold must lie in \[0, 1\]'):
        gate(images)


def test_a_bad_budget_set_later_is_an_error(images):
    gate = make_gate().eval()
    gate.budget = 1.2
    with pytest.raises(ValueError, match='got 1.2'):
        gate(images)


def test_the_logits_are_float32_under_autocast(images):
    gate = make_gate().train()
    with torch.autocast('cpu', torch.bfloat16):
        assert gate(images).p_fine.dtype == torch.float32


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        (dict(temperature=0), 'temperature must be positive, got 0'),
        (dict(temperature=-1.0), 'temperature must be positive, got -1.0'),
        (dict(init_p_fine=0), r'init_p_fine must lie in \(0, 1\), got 0'),
        (dict(init_p_fine=1), r'init_p_fine must lie in \(0, 1\), got 1'),
        (dict(budget=-3), 'budget must be a number of regions .* got -3'),
        (dict(budget='half'), "got 'half'"),
        (dict(threshold=1.1), r'threshold must lie in \[0, 1\], got 1.1'),
        (dict(threshold=-0.1), r'threshold must lie in \[0, 1\], got -0.1'),
    ],
)
def test_arguments_out_of_range(argument, message):
    with pytest.raises(ValueError, match=message):
        MLPGate(**argument)
