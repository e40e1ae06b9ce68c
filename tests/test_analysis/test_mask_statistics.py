"""Mask statistics of known masks, and learned priors before and after training."""

import numpy as np
import pytest
import torch
from shipped_configs import load_config

from msvit.analysis.mask_drawing import draw_masks
from msvit.analysis.mask_statistics import MaskStatistics, choose_grid, decide, learned_priors
from msvit.analysis.model import AnalysedModel
from msvit.analysis.samples import Sample
from msvit.losses.priors import initial_prior_mean

GRID = (4, 4)


def model(several: bool = False, **loss) -> AnalysedModel:
    cfg = load_config('msvit_mini4_32x32_cifar10')
    if loss:
        cfg.model.backbone.gate_loss = [dict(type='msvit.L0Loss'), loss] if several else loss
    return AnalysedModel(cfg)


def masks(number: int = 200, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, *GRID, generator=generator) < torch.rand(*GRID, generator=generator)


def test_mean_and_variance_of_yes_and_no():
    drawn = masks()
    found = MaskStatistics.of(list(drawn), GRID)
    p = drawn.double().mean(dim=0)
    torch.testing.assert_close(found.mean, p)
    torch.testing.assert_close(found.variance, p * (1 - p))
    assert (found.images, found.resampled) == (200, 0)
    assert found.fine == pytest.approx(float(p.mean()))
    # of all values together, variance within regions and between them add up
    within = found.image_dependence * float(drawn.double().var(unbiased=False))
    assert within + float(p.var(unbiased=False)) == pytest.approx(float(drawn.double().var(unbiased=False)))


@pytest.mark.parametrize(
    ('drawn', 'expected'),
    [
        ([torch.eye(4).bool()] * 5, 0.0),
        ([torch.ones(GRID).bool()] * 5, 0.0),
        ([torch.ones(GRID).bool(), torch.zeros(GRID).bool()], 1.0),
        ([torch.eye(4).bool(), ~torch.eye(4).bool()], 1.0),
    ],
    ids=['a pattern', 'all fine', 'all or nothing', 'each as often'],
)
def test_image_dependence_from_a_pattern_to_the_image_alone(drawn, expected):
    assert MaskStatistics.of(drawn, GRID).image_dependence == pytest.approx(expected)


def test_other_grids_are_resampled_by_area():
    large = torch.zeros(8, 8).bool()
    large[0, :3] = True
    small = torch.tensor([[True, False], [False, False]])
    found = MaskStatistics.of([large, small, torch.zeros(GRID).bool()], GRID)
    expected = torch.zeros(3, *GRID, dtype=torch.float64)
    expected[0, 0, :2] = torch.tensor([0.5, 0.25])
    expected[1, :2, :2] = 1
    torch.testing.assert_close(found.mean, expected.mean(dim=0))
    torch.testing.assert_close(found.variance, expected.var(dim=0, unbiased=False))
    assert (found.images, found.resampled) == (3, 2)


def test_the_grid_of_most_images_else_the_models_own():
    one, wide, high = model(), torch.zeros(2, 6).bool(), torch.zeros(6, 2).bool()
    assert choose_grid(one, [wide, wide, high]) == (2, 6)
    assert choose_grid(one, [wide, high]) == GRID


def test_a_decision_is_the_gates():
    one = model()
    inputs = torch.randn(1, 3, 36, 32)
    mask = decide(one, Sample('0', np.zeros((36, 32, 3), dtype=np.uint8), inputs))
    assert mask.shape == (5, 4)
    with torch.inference_mode():
        assert torch.equal(mask, one.backbone.decide(inputs).fine_mask[0])


@pytest.mark.parametrize('init', ['uniform', 'centre'])
def test_priors_before_and_after(init):
    one = model(type='msvit.GBaSLoss', target=0.25, init=init)
    with torch.no_grad():
        one.backbone.gate_loss.prior_logit.add_(torch.randn(GRID))
    before, after = learned_priors(one)
    torch.testing.assert_close(before, initial_prior_mean(init, GRID))
    assert torch.equal(after, one.backbone.gate_loss.prior_mean) and not torch.allclose(before, after)


def test_priors_of_one_loss_among_several():
    one = model(several=True, type='msvit.GBaSLoss', target=0.25)
    with torch.no_grad():
        one.backbone.gate_loss[1].prior_logit.add_(torch.randn(GRID))
    before, after = learned_priors(one)
    assert torch.equal(after, one.backbone.gate_loss[1].prior_mean) and not torch.allclose(before, after)


def test_other_losses_have_no_priors():
    assert learned_priors(model(type='msvit.BaSLoss', target=0.25)) is None


@pytest.mark.parametrize('with_priors', [[True], [False, True], [True, True, False, True]], ids=['one', 'a row', 'columns'])
def test_the_figure_is_drawn(with_priors, tmp_path, assert_drawn):
    priors = [(torch.full(GRID, 0.5), torch.rand(GRID)) if one else None for one in with_priors]
    names = [f'model {number}' for number in range(len(priors))]
    draw_masks(names, [MaskStatistics.of(list(masks(8)), GRID)] * len(names), priors, tmp_path / 'masks.png')
    assert_drawn(tmp_path / 'masks.png')
