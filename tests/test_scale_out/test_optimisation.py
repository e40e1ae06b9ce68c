"""The gate's loss is right under gradient accumulation, moving averages of the weights and mixed precision."""

import pytest
import torch
from torch import Tensor

from msvit.checkpoints import read_checkpoint


def test_accumulated_gradients_are_those_of_the_whole_batch(work_dirs):
    """With a loss that is a mean over images; batch-shaping compares images with each other, and so sees the smaller batch."""
    whole = read_checkpoint(work_dirs['l0_1'] / 'iter_3.pth')
    parts = read_checkpoint(work_dirs['accumulate_1'] / 'iter_6.pth')
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_every_part_of_an_accumulated_batch_logs_its_own_gate_loss(work_dirs, losses):
    whole, parts = losses(work_dirs['l0_1']), losses(work_dirs['accumulate_1'])
    assert len(parts) == 2 * len(whole) == 6
    for step, joined in enumerate(whole):
        for name, value in joined.items():
            assert sum(part[name] for part in parts[2 * step : 2 * step + 2]) / 2 == pytest.approx(value, rel=1e-5), name


def test_a_moving_average_holds_gate_and_priors_and_changes_no_training(work_dirs, losses):
    assert losses(work_dirs['ema_1']) == losses(work_dirs['classifier_1'])
    steps = [read_checkpoint(work_dirs['classifier_1'] / f'iter_{step}.pth') for step in (1, 2, 3)]
    published = read_checkpoint(work_dirs['ema_1'] / 'iter_3.pth')
    assert {'backbone.gate.mlp.0.weight', 'backbone.gate_loss.prior_logit'} <= set(published)
    for name, value in published.items():
        torch.testing.assert_close(value, average([weights[name] for weights in steps]), rtol=1e-5, atol=1e-7, msg=name)


def average(values: list[Tensor], momentum: float = 0.25) -> Tensor:
    mean = values[0]
    for value in values[1:]:
        mean = (1 - momentum) * mean + momentum * value
    return mean


def test_mixed_precision_leaves_the_gate_and_its_loss_in_full_precision(work_dirs, losses):
    exact, rounded = losses(work_dirs['classifier_1']), losses(work_dirs['bf16_1'])
    for name in ('loss_gate_prior', 'loss_gate_hyperprior', 'tokens'):
        assert rounded[0][name] == pytest.approx(exact[0][name], rel=1e-6), name
    for one, other in zip(rounded, exact, strict=True):
        assert one['loss'] == pytest.approx(other['loss'], rel=0.02)
    assert rounded[-1]['loss'] != exact[-1]['loss']
