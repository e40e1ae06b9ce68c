"""Transforms against hand-made moves, scores against one image at a time."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from shipped_configs import load_config
from torch import Tensor

from msvit.analysis.model import AnalysedModel
from msvit.analysis.samples import Sample
from msvit.analysis.shifts.drawing import choose_examples, draw_shifts, show_example
from msvit.analysis.shifts.study import black, evaluate_shifts, require_same_inputs, summarise, with_fixed_gate
from msvit.analysis.shifts.transform import UNMOVED, Transform, draw_transforms, move_images, move_labels

MOVES = [UNMOVED, Transform(0.5, 0.1, -0.2), Transform(1.7, 0.25, 0.0)]


@pytest.fixture(scope='module')
def build(perturb) -> Callable[..., AnalysedModel]:
    """Makes a config's model of random weights."""

    def make(name: str, **gate) -> AnalysedModel:
        cfg = load_config(name)
        if gate:
            cfg.model.backbone.gate = dict(type='msvit.MLPGate', **gate)
            cfg.model.backbone.gate_loss = None
        torch.manual_seed(0)
        model = AnalysedModel(cfg)
        perturb(model.model)
        return model

    return make


@pytest.fixture(scope='module')
def classifier(build) -> AnalysedModel:
    return build('vit_mini4_32x32_cifar10', hidden_dims=(8,), init_p_fine=0.5)


@pytest.fixture(scope='module')
def segmentor(build) -> AnalysedModel:
    return build('msseg_mini8_128x128_digit_scenes')


def sample(height: int, width: int, label: int | np.ndarray | None, seed: int = 0) -> Sample:
    inputs = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    image = (inputs[0].permute(1, 2, 0) * 40 + 120).clamp(0, 255).byte().numpy()
    return Sample(str(seed), image, inputs, label)


def rolled(values: Tensor, right: int, down: int, fill: float) -> Tensor:
    """Moved by whole pixels, without wrapping around."""
    moved = torch.full_like(values, fill)
    height, width = values.shape[-2:]
    into = (..., slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0)))
    out_of = (..., slice(max(-down, 0), height + min(-down, 0)), slice(max(-right, 0), width + min(-right, 0)))
    moved[into] = values[out_of]
    return moved


@pytest.mark.parametrize(('right', 'down'), [(0, 0), (2, 0), (0, -3), (-4, 1)])
def test_a_shift_moves_the_scene_by_whole_pixels(right, down):
    images, labels = torch.randn(2, 3, 8, 16), torch.randint(0, 200, (2, 8, 16), dtype=torch.uint8)
    transform = Transform(1.0, right / 16, down / 8)
    torch.testing.assert_close(move_images(images, transform), rolled(images, right, down, 0.0), atol=1e-5, rtol=0)
    moved = move_labels(labels, transform)
    assert moved.dtype == torch.uint8
    assert torch.equal(moved, rolled(labels, right, down, 255))


def test_the_fill_is_what_the_frame_shows_beside_the_scene():
    fill = torch.tensor([1.0, -2.0, 3.0]).view(3, 1, 1)
    images = torch.randn(2, 3, 8, 8)
    moved = move_images(images, Transform(1.0, 0.25, 0.0), fill)
    torch.testing.assert_close(moved[..., :2], fill.expand(2, 3, 8, 2))
    torch.testing.assert_close(moved[..., 2:], images[..., :6])


def test_a_zoom_of_two_shows_the_middle_doubled():
    labels = torch.randint(0, 20, (1, 8, 8))
    expected = labels[:, 2:6, 2:6].repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(move_labels(labels, Transform(2.0)), expected)


@pytest.mark.parametrize('zoom', [0.5, 0.25])
def test_a_small_zoom_averages_and_leaves_the_frame_empty(zoom):
    """A fine checkerboard becomes its mean: nearest or bilinear sampling alone would keep stripes of it."""
    y, x = np.indices((32, 32))
    images = torch.from_numpy(1.0 + (-1.0) ** (x + y))[None, None].float()
    moved = move_images(images, Transform(zoom))[0, 0]
    side = int(32 * zoom)
    start = (32 - side) // 2
    inside = moved[start + 1 : start + side - 1, start + 1 : start + side - 1]
    torch.testing.assert_close(inside, torch.ones_like(inside), atol=0.02, rtol=0)
    frame = moved.clone()
    frame[start - 1 : start + side + 1, start - 1 : start + side + 1] = 0
    assert not frame.any()


@pytest.mark.parametrize('transform', [Transform(0.4, 0.2, 0.1), Transform(2.2, -0.3, 0.2)])
def test_labels_follow_their_images(transform):
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    labels[:, 16:40, 20:56] = 1
    scene = torch.stack((labels, 1 - labels), dim=1).float()
    one, zero = move_images(scene, transform)[0]
    moved = move_labels(labels, transform)[0]
    for value, picture in ((1, one), (0, zero)):
        wrong = (moved == value) & (picture < 0.4)
        assert not wrong.any()
    assert (moved == 255).any() == (transform.zoom < 1)


def test_draws_repeat_and_keep_to_their_ranges():
    drawn = draw_transforms(40, (0.4, 2.5), 0.3, seed=3)
    assert drawn[0] == UNMOVED and len(set(drawn)) == 40
    assert drawn == draw_transforms(40, (0.4, 2.5), 0.3, seed=3) and drawn != draw_transforms(40, (0.4, 2.5), 0.3, seed=4)
    assert drawn[:9] == draw_transforms(9, (0.4, 2.5), 0.3, seed=3)
    assert all(0.4 <= one.zoom <= 2.5 and abs(one.x) <= 0.3 and abs(one.y) <= 0.3 for one in drawn)
    assert 15 <= sum(one.zoom < 1 for one in drawn) <= 25  # half of a logarithmic range


@pytest.mark.parametrize(
    ('zoom', 'shift'), [((0, 1), 0.1), ((2, 1), 0.1), ((1, float('inf')), 0.1), ((1, 2), 0.6), ((1, 2), -0.1)]
)
def test_ranges_that_are_none_are_refused(zoom, shift):
    with pytest.raises(ValueError, match='zoom must|shift must'):
        draw_transforms(3, zoom, shift)


def test_a_classifier_scores_as_one_image_at_a_time(classifier):
    """Images of two sizes, so that batches of one size must be found."""
    samples = [sample(32, 32 + 8 * (i % 2), label=i % 10, seed=i) for i in range(70)]
    fixed, _ = with_fixed_gate(classifier, 'radial', samples)
    points = evaluate_shifts(classifier, fixed, samples, MOVES)
    assert [Transform(*place) for place in points[['zoom', 'x', 'y']].to_numpy()] == MOVES
    for transform, point in zip(MOVES, points.to_dict('records'), strict=True):
        for gate, model in (('learned', classifier), ('fixed', fixed)):
            net, right, macs, tokens = model.backbone, [], [], []
            for one in samples:
                moved = move_images(one.inputs, transform)
                with torch.inference_mode():
                    right.append(int(model.forward(moved).argmax()) == one.label)
                    mixed = net.tokenize(moved)
                macs.append(float(net.macs(net.grid(moved), mixed.counts).total))
                tokens.append(float(mixed.counts))
            assert point[f'{gate}_accuracy'] == pytest.approx(100 * np.mean(right))
            assert point[f'{gate}_gmacs'] == pytest.approx(np.mean(macs) / 1e9)
            assert point[f'{gate}_tokens'] == pytest.approx(np.mean(tokens))
    assert points.learned_tokens.nunique() == 3  # the learned gate looks at what it gets
    assert points.fixed_tokens.nunique() == 1


def test_a_segmentor_scores_by_miou_over_what_is_seen(segmentor):
    rng = np.random.default_rng(0)
    # a padded input: its picture and label are smaller
    samples = [sample(128, 128, rng.integers(0, 11, (120, 128), dtype=np.uint8), seed=i) for i in range(2)]
    transform = Transform(0.7, 0.2, 0.1)
    (point,) = evaluate_shifts(segmentor, segmentor, samples, [transform]).to_dict('records')
    said, known = [], []
    for one in samples:
        label = torch.full((1, 128, 128), 255, dtype=torch.uint8)
        label[:, :120] = torch.from_numpy(one.label)
        said.append(segmentor.predict(move_images(one.inputs, transform)))
        known.append(move_labels(label, transform)[0].numpy())
    said, known = np.concatenate(said), np.concatenate(known)
    said = said[known != 255]
    known = known[known != 255]
    overlaps = [((said == c) & (known == c)).sum() / ((said == c) | (known == c)).sum() for c in range(11)]
    assert point['learned_accuracy'] == pytest.approx(100 * np.mean(overlaps))
    assert point['gain'] == 0 and point['macs_ratio'] == 1


@pytest.mark.parametrize('kind', ['radial', 'uniform', 'random'])
def test_a_fixed_gate_has_the_same_weights_and_share(classifier, kind):
    samples = [sample(32, 32, 0, seed=i) for i in range(8)]
    gate = classifier.backbone.gate
    fixed, share = with_fixed_gate(classifier, kind, samples)
    assert classifier.backbone.gate is gate
    with torch.inference_mode():
        decided = [classifier.backbone.decide(one.inputs).fine_mask.float().mean().item() for one in samples]
        masks = torch.cat([fixed.backbone.decide(one.inputs).fine_mask for one in samples])
    assert share == pytest.approx(np.mean(decided)) and 0 < share < 1
    assert (masks == masks[0]).all() and int(masks[0].sum()) == round(share * 16)
    assert torch.equal(fixed.model.head.fc.weight, classifier.model.head.fc.weight)


def test_what_cannot_be_compared_is_refused(build, classifier, segmentor):
    with pytest.raises(ValueError, match='no gate'):
        with_fixed_gate(build('vit_mini4_32x32_cifar10'), 'radial', [])
    with pytest.raises(ValueError, match='no image'):
        evaluate_shifts(classifier, classifier, [], MOVES)
    with pytest.raises(ValueError, match='has no label'):
        evaluate_shifts(classifier, classifier, [sample(32, 32, None)], MOVES)
    with pytest.raises(ValueError, match='same classes.*a classifier of 10.*a segmentor of 11'):
        require_same_inputs(classifier, segmentor)
    require_same_inputs(classifier, classifier)


def points_of(*rows: tuple[Transform, float, float, float]) -> pd.DataFrame:
    """Of transform, both accuracies in %, and GMACs of the learned gate; the fixed one takes 2."""
    return pd.DataFrame(
        dict(
            **dict(zoom=one.zoom, x=one.x, y=one.y, distance=one.distance),
            **dict(learned_accuracy=learned, fixed_accuracy=fixed, learned_gmacs=gmacs, fixed_gmacs=2.0),
            **dict(gain=learned - fixed, macs_ratio=gmacs / 2),
        )
        for one, learned, fixed, gmacs in rows
    )


SHOWN = [UNMOVED, Transform(0.5, 0.1), Transform(2.0, 0.0, 0.2), Transform(0.7, 0.3, 0.4)]
POINTS = points_of((SHOWN[0], 60, 50, 2.0), (SHOWN[1], 40, 41, 1.0), (SHOWN[2], 30, 20, 4.0), (SHOWN[3], 20, 10, 3.0))


def test_the_summary_groups_points():
    unmoved, moved, weak, strong, shrunk, enlarged = summarise(POINTS).itertuples(index=False)
    assert (unmoved.points, unmoved.learned, unmoved.better) == (1, 60, 1)
    assert (moved.points, moved.learned, moved.better) == (3, 30, pytest.approx(2 / 3))
    assert weak.points == 2 and weak.name == 'weak shift, <= 0.20'
    assert (strong.points, strong.fixed, strong.learned_gmacs) == (1, 10, 3.0)
    assert (shrunk.points, shrunk.learned_gmacs, shrunk.fixed_gmacs) == (2, 2.0, 2.0)
    assert enlarged.points == 1
    assert list(summarise(POINTS[:1]).name) == ['unmoved']


def test_examples_are_the_telling_ones():
    assert choose_examples(SHOWN) == [UNMOVED, Transform(0.5, 0.1), Transform(0.7, 0.3, 0.4), Transform(2.0, 0.0, 0.2)]
    assert choose_examples([UNMOVED]) == [UNMOVED]


def test_an_example_shows_what_the_network_sees(classifier):
    one = sample(32, 40, 3)
    shown = show_example(classifier, classifier, one, UNMOVED)
    assert np.array_equal(shown.image[6::12, 6::12].shape, one.image.shape)
    with torch.inference_mode():
        assert shown.fine == (pytest.approx(classifier.backbone.decide(one.inputs).fine_mask.float().mean().item()),) * 2
    moved = show_example(classifier, classifier, one, Transform(0.4, 0.3, 0.3))
    assert (moved.image[0, 0] == (125, 123, 114)).all()  # the mean colour
    assert (show_example(classifier, classifier, one, Transform(0.4, 0.3, 0.3), black(classifier)).image[0, 0] == 0).all()


@pytest.mark.parametrize('number', [1, 4], ids=['one point', 'four points'])
def test_the_figure_is_drawn(classifier, number, tmp_path, assert_drawn):
    examples = [show_example(classifier, classifier, sample(32, 32, 0), one) for one in SHOWN[:number]]
    draw_shifts(POINTS[:number], examples, 'top-1', tmp_path / 'shifts.png', 'title')
    assert_drawn(tmp_path / 'shifts.png')
