"""Teaching a gate directly, alone or together with other losses."""

import pytest
import torch
import torch.nn.functional as F

from msvit.losses import GBaSLoss, SeveralLosses, TargetLoss, TeachingLoss, build_gate_loss, teaching_loss
from msvit.teachers import LabelTeacher

TEACHING = dict(type='msvit.TeachingLoss', teacher=dict(type='msvit.LabelTeacher'), weight=2.0)


@pytest.fixture
def lesson() -> torch.Tensor:
    return torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def p_fine() -> torch.Tensor:
    return torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_the_formula_is_binary_cross_entropy(lesson, p_fine):
    expected = F.binary_cross_entropy(p_fine, lesson)
    assert teaching_loss(p_fine.logit(), lesson).item() == pytest.approx(expected.item(), rel=1e-5)


def test_what_is_not_known_teaches_nothing(lesson, p_fine):
    lesson[0] = torch.nan
    loss = teaching_loss(p_fine.logit(), lesson)
    assert loss.item() == pytest.approx(F.binary_cross_entropy(p_fine[1], lesson[1]).item(), rel=1e-5)
    loss.backward()
    assert (p_fine.grad[0] == 0).all() and (p_fine.grad[1] != 0).all()


def test_nothing_known_at_all_is_no_loss(lesson, p_fine):
    loss = teaching_loss(p_fine.logit(), lesson.fill_(torch.nan))
    loss.backward()
    assert loss == 0 and (p_fine.grad == 0).all()


def test_half_precision_targets_and_logits(lesson, p_fine):
    assert teaching_loss(p_fine.logit().bfloat16(), lesson).isfinite()


def test_another_number_of_regions_is_an_error(lesson, p_fine):
    with pytest.raises(ValueError, match=r'decides \(2, 3, 4\) regions, and its teacher speaks of \(2, 3, 3\)'):
        teaching_loss(p_fine, lesson[..., :3])


def test_the_loss_takes_one_lesson_a_step(lesson, p_fine):
    loss = build_gate_loss(TEACHING, (3, 4))
    assert isinstance(loss, TeachingLoss) and isinstance(loss.teacher, LabelTeacher)
    loss.bring(lesson)
    (name, value), *rest = loss(p_fine).items()
    assert name == 'loss_gate_teaching' and not rest
    assert value.item() == pytest.approx(2 * F.binary_cross_entropy(p_fine, lesson).item(), rel=1e-5)
    with pytest.raises(RuntimeError, match=r"nobody brought the gate's lesson.*dict\(type='msvit.GateLossHook'\)"):
        loss(p_fine)


@pytest.mark.parametrize('value', [0.0, 1.0])
def test_decisions_that_are_sure_and_wrong_stay_finite(value):
    loss = TeachingLoss(LabelTeacher())
    loss.bring(torch.full((1, 1, 2), 1 - value))
    p_fine = torch.full((1, 1, 2), value, requires_grad=True)
    loss(p_fine)['loss_gate_teaching'].backward()
    assert p_fine.grad.isfinite().all()


def test_several_losses_give_all_their_terms(lesson, p_fine):
    loss = build_gate_loss([TEACHING, dict(type='msvit.GBaSLoss', weight=3.0)], (3, 4))
    assert isinstance(loss, SeveralLosses) and [name for name, _ in loss.named_parameters()] == ['1.prior_logit']
    loss[0].bring(lesson)
    terms = loss(p_fine)
    assert set(terms) == {'loss_gate_teaching', 'loss_gate_prior', 'loss_gate_hyperprior'}
    alone = GBaSLoss((3, 4), weight=3.0)(p_fine)
    assert terms['loss_gate_prior'].item() == pytest.approx(alone['loss_gate_prior'].item())


def test_modules_and_none_are_taken_as_they_are():
    loss = TargetLoss()
    assert build_gate_loss(loss, (3, 4)) is loss and build_gate_loss(None, (3, 4)) is None


def test_two_terms_of_one_name_are_an_error(p_fine):
    with pytest.raises(ValueError, match='two of the gate losses have a term loss_gate'):
        SeveralLosses([TargetLoss(), TargetLoss()])(p_fine)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(TEACHING, weight=-1), 'weight'),
        (dict(TEACHING, teacher=dict(type='msvit.Nobody')), r'msvit has .*msvit\.LabelTeacher'),
        ([TEACHING, dict(type='msvit.NoLoss')], r'msvit has .*msvit\.TeachingLoss'),
    ],
)
def test_bad_arguments(config, message):
    with pytest.raises(ValueError, match=message):
        build_gate_loss(config, (3, 4))
