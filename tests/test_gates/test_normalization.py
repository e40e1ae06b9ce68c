"""A trained gate in another host: the change of normalisation folded in, frozen or not."""

import pytest
import torch

from msvit.gates import ContextGate, LearnedGate, MLPGate, Normalization, RandomGate, renormalize_gate

IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
VIT = Normalization((127.5,) * 3, (127.5,) * 3)
CIFAR = Normalization((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))


BUILD = dict(
    mlp=lambda **kwargs: MLPGate(8, **{'hidden_dims': (16,), **kwargs}),
    context=lambda **kwargs: ContextGate(8, width=8, **kwargs),
)


def make_gate(kind: str = 'mlp', **kwargs) -> LearnedGate:
    torch.manual_seed(0)
    gate = BUILD[kind](init_p_fine=0.5, **kwargs)
    for name, parameter in gate.named_parameters():
        if name.endswith('bias'):
            torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.normal_(gate.last_layer.weight)
    return gate.eval()


def normalize(pixels: torch.Tensor, normalization: Normalization) -> torch.Tensor:
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in normalization)
    return (pixels - mean) / std


@pytest.fixture
def pixels() -> torch.Tensor:
    """No channel, row or column like another, so that a wrong order of the first layer's inputs cannot hide."""
    return torch.rand(4, 3, 32, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 255


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize(('trained', 'host'), [(VIT, IMAGENET), (IMAGENET, VIT), (CIFAR, IMAGENET)])
@pytest.mark.parametrize('hidden_dims', [(16, 8), ()])
def test_a_folded_gate_decides_as_before(pixels, trained, host, dtype, tolerance, hidden_dims):
    gate = make_gate(hidden_dims=hidden_dims).to(dtype)

    def logits_of(normalization: Normalization) -> torch.Tensor:
        return gate.mlp(_patches(normalize(pixels, normalization).to(dtype)))

    before, mask = logits_of(trained), gate(normalize(pixels, trained).to(dtype)).fine_mask
    assert (logits_of(host) - before).abs().max() > 0.01 * before.abs().max()
    renormalize_gate(gate, trained, host)
    assert ((logits_of(host) - before).abs().max() / before.abs().max()).item() < tolerance
    assert torch.equal(gate(normalize(pixels, host).to(dtype)).fine_mask, mask) and 0 < mask.float().mean() < 1


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
@pytest.mark.parametrize(('trained', 'host'), [(VIT, IMAGENET), (CIFAR, IMAGENET)])
@pytest.mark.parametrize('size', [8, 14])
def test_a_gate_with_context_decides_as_before_at_borders_too(pixels, trained, host, dtype, tolerance, size):
    torch.manual_seed(0)
    gate = ContextGate(size, width=8, init_p_fine=0.5).to(dtype).eval()
    torch.nn.init.normal_(gate.head.weight)
    pixels = pixels[:, :, : 2 * size, : 3 * size]
    before = gate.logits(normalize(pixels, trained).to(dtype))
    assert (gate.logits(normalize(pixels, host).to(dtype)) - before).abs().max() > 1e-3
    renormalize_gate(gate, trained, host)
    torch.testing.assert_close(gate.logits(normalize(pixels, host).to(dtype)), before, rtol=0, atol=tolerance)


def _patches(images: torch.Tensor) -> torch.Tensor:
    """Independent of patchify: one patch at a time."""
    rows, columns = images.shape[-2] // 8, images.shape[-1] // 8
    patches = [images[:, :, 8 * i : 8 * i + 8, 8 * j : 8 * j + 8].flatten(1) for i in range(rows) for j in range(columns)]
    return torch.stack(patches, dim=1)


@pytest.mark.parametrize('kind', BUILD)
def test_folding_there_and_back_changes_nothing(kind):
    gate, twin = make_gate(kind), make_gate(kind)
    renormalize_gate(gate, CIFAR, IMAGENET)
    renormalize_gate(gate, IMAGENET, CIFAR)
    for name, value in gate.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_a_frozen_gate_may_be_folded():
    gate = make_gate().freeze()
    renormalize_gate(gate, CIFAR, IMAGENET)
    assert not any(parameter.requires_grad for parameter in gate.parameters())


def test_one_value_for_each_channel():
    with pytest.raises(ValueError, match='one value for each of the 1 channels'):
        renormalize_gate(make_gate(in_channels=1), VIT, IMAGENET)


@pytest.mark.parametrize('kind', BUILD)
def test_bgr_becomes_rgb(pixels, kind):
    gate = make_gate(kind)
    renormalize_gate(gate, CIFAR, IMAGENET)  # so that no channel is treated as another
    images = normalize(pixels, CIFAR).float()
    expected = gate(images.flip(1)).p_fine
    assert not torch.allclose(gate(images).p_fine, expected)
    gate.reverse_channels()
    torch.testing.assert_close(gate(images).p_fine, expected)


@pytest.mark.parametrize(
    ('mean', 'std', 'message'),
    [
        ([1, 2, 3], None, 'belong together'),
        (None, [1, 2, 3], 'belong together'),
        ([1, 2, 3], [1, 2], 'one value for each channel'),
        ([1, 2, 3], [1, 0, 1], 'std positive'),
        ([1, 2, float('nan')], [1, 1, 1], 'mean must be finite'),
    ],
)
def test_a_normalisation_that_makes_no_sense(mean, std, message):
    with pytest.raises(ValueError, match=message):
        Normalization.of(mean, std)


def test_normalisations_compare_by_value():
    assert Normalization.of([127.5] * 3, [127.5] * 3) == VIT
    assert Normalization.of(None, None) is None


@pytest.mark.parametrize('gate', [MLPGate(8, hidden_dims=(4,)), RandomGate(8)], ids=lambda gate: type(gate).__name__)
def test_a_frozen_gate_stays_at_test(gate):
    images = torch.randn(2, 3, 32, 32)
    assert gate.freeze() is gate and gate.frozen
    assert gate.train() is gate
    assert not any(module.training for module in gate.modules())
    assert not any(parameter.requires_grad for parameter in gate.parameters())
    assert torch.equal(gate(images).p_fine, gate(images).p_fine)
    assert gate(images).straight_through() is None


def test_a_gate_may_be_built_frozen():
    assert MLPGate(8, frozen=True).frozen and not MLPGate(8).frozen


def test_a_temperature_set_later_is_checked():
    gate = make_gate()
    gate.temperature = 0
    with pytest.raises(ValueError, match='temperature must be positive, got 0'):
        gate(torch.randn(1, 3, 8, 8))
