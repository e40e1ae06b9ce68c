"""The gate with context: it reads the reduced image, a region with its surroundings."""

import pytest
import torch
import torch.nn.functional as F

from msvit.gates import ContextGate, LearnedGate, MLPGate


def make_gate(coarse_patch_size: int = 16, **kwargs) -> ContextGate:
    torch.manual_seed(0)
    gate = ContextGate(coarse_patch_size, **{'width': 8, 'init_p_fine': 0.5, **kwargs})
    torch.nn.init.normal_(gate.head.weight)  # decisions that differ from region to region
    return gate.eval()


def pictures(rows: int, columns: int, size: int, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 3, rows * size, columns * size, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize('size', [8, 14, 16, 28, 32])
def test_one_decision_for_each_region(size):
    p_fine, fine_mask = make_gate(size)(pictures(4, 6, size))
    assert p_fine.shape == fine_mask.shape == (3, 4, 6)
    assert torch.equal(fine_mask, p_fine > 0.5)
    assert 0 < fine_mask.float().mean() < 1


@pytest.mark.parametrize(('size', 'reduced'), [(14, 8), (28, 16), (32, 16)])
def test_the_image_is_reduced_as_by_pooling(size, reduced):
    gate, images = make_gate(size), pictures(3, 5, size)
    small = F.adaptive_avg_pool2d(images, (3 * reduced, 5 * reduced))
    torch.testing.assert_close(gate.logits(images), make_gate(reduced).logits(small), rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_layer():
    gate = make_gate().train()
    gate(pictures(4, 4, 16)).straight_through().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in gate.parameters())


def far_change(gate: LearnedGate, row: int, column: int) -> torch.Tensor:
    """How much each region's log-odds move, relative to the most, when one region of a 9 x 9 image changes."""
    before = gate.logits(images := pictures(9, 9, 16, batch=1))
    images[:, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] += 3
    change = (gate.logits(images) - before)[0].abs()
    return change / change.max()


def test_a_region_sees_its_neighbours_and_under_the_mlp_it_does_not():
    changed = far_change(make_gate(), 4, 4)
    assert changed[3:6, 3:6].min() > 1e-3
    local = far_change(MLPGate(16, hidden_dims=(8,)).eval(), 4, 4)
    assert local.count_nonzero() == 1


def test_depth_widens_the_view():
    # the norms tie all regions together a little, so views are compared without them
    views = []
    for depth in (0, 1, 2):
        gate = make_gate(depth=depth)
        for layer in (*gate.stem, *gate.context):
            layer.norm = torch.nn.Identity()
        views.append(far_change(gate, 4, 4).count_nonzero().item())
    assert views == [1, 25, 81]


def test_evaluation_is_deterministic_and_training_draws():
    gate, images = make_gate(), pictures(4, 4, 16)
    assert torch.equal(gate(images).p_fine, gate(images).p_fine)
    assert not torch.equal(gate.train()(images).p_fine, gate(images).p_fine)


def test_the_logits_are_float32_under_autocast():
    gate, images = make_gate(), pictures(4, 4, 16)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(gate.logits(images), make_gate().logits(images))


@pytest.mark.parametrize('init_p_fine', [0.1, 0.9])
def test_training_starts_at_the_wanted_share(init_p_fine):
    torch.manual_seed(0)
    gate = ContextGate(16, init_p_fine=init_p_fine).eval()
    assert gate(pictures(6, 6, 16)).p_fine.mean().item() == pytest.approx(init_p_fine, abs=0.05)


@pytest.mark.parametrize('kind', [ContextGate, MLPGate])
@pytest.mark.parametrize('fine_share', [0.0, 0.25, 0.5, 1.0])
def test_calibrating_hits_the_share_and_lasts(kind, fine_share):
    torch.manual_seed(0)
    gate, images = kind(16, threshold=0.3).eval(), pictures(8, 8, 16)
    assert gate.calibrate(images, fine_share) == 0.3
    assert gate(images).fine_mask.float().mean().item() == pytest.approx(fine_share, abs=1 / 192)
    other = kind(16, threshold=0.3).eval()
    other.load_state_dict(gate.state_dict())
    assert torch.equal(other(images).fine_mask, gate(images).fine_mask)


@pytest.mark.parametrize(('fine_share', 'threshold', 'message'), [(1.5, 0.5, 'fine_share'), (0.5, 1.0, 'threshold in')])
def test_calibrating_to_what_cannot_be(fine_share, threshold, message):
    with pytest.raises(ValueError, match=message):
        make_gate(threshold=threshold).calibrate(pictures(2, 2, 16), fine_share)


def test_weights_for_other_regions_are_refused():
    with pytest.raises(ValueError, match='ContextGate for regions of 16 pixels, and this one has coarse_patch_size=32'):
        make_gate(32).load_state_dict(make_gate(16).state_dict())


@pytest.mark.parametrize('size', [8, 16, 28])
@torch.no_grad()
def test_other_pixels_are_taken_alike(size):
    gate, images = make_gate(size), pictures(3, 4, size)
    expected = gate.logits(images)
    scale, shift = torch.tensor([0.5, 2.0, 1.5]).double(), torch.tensor([1.0, 0.0, -3.0]).double()
    gate.rescale_inputs(scale, shift)
    others = (images - shift[:, None, None].float()) / scale[:, None, None].float()
    torch.testing.assert_close(gate.logits(others), expected, rtol=1e-4, atol=1e-4)
    gate.reverse_channels()
    torch.testing.assert_close(gate.logits(others.flip(1)), expected, rtol=1e-4, atol=1e-4)


def test_weights_of_parameters_alone_load():
    gate, other = make_gate(), ContextGate(16, width=8)
    other.load_state_dict(dict(gate.named_parameters()))
    images = pictures(2, 2, 16)
    assert torch.equal(other.logits(images), gate.logits(images))


def test_it_may_be_built_frozen():
    assert make_gate(frozen=True).frozen and not make_gate().frozen


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        (dict(coarse_patch_size=7), 'regions of at least 8 pixels, got coarse_patch_size=7'),
        (dict(width=6), 'positive multiple of 8, got 6'),
        (dict(width=0), 'positive multiple of 8, got 0'),
        (dict(depth=-1), 'depth must not be negative, got -1'),
        (dict(init_p_fine=1), r'init_p_fine must lie in \(0, 1\), got 1'),
        (dict(temperature=0), 'temperature must be positive, got 0'),
        (dict(budget=-3), 'budget must be a number of regions .* got -3'),
    ],
)
def test_arguments_out_of_range(argument, message):
    with pytest.raises(ValueError, match=message):
        ContextGate(**argument)
