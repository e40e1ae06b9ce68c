"""Two processes on CPUs train as one process with the joined batch does, started by torchrun and the project's own tool."""

import json
from pathlib import Path

import pytest
import torch

from msvit.checkpoints import read_checkpoint

TASKS = ['segmentor', 'classifier']


def validation(folder: Path) -> dict[str, float]:
    (file,) = folder.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()][-1]


@pytest.mark.parametrize('task', TASKS)
def test_the_losses_are_those_of_the_joined_batch(work_dirs, losses, task):
    alone = losses(work_dirs[f'{task}_1'], 0)
    ranks = [losses(work_dirs[f'{task}_2'], rank) for rank in range(2)]
    assert len(alone) == 3
    for joined, *parts in zip(alone, *ranks, strict=True):
        assert {'loss', 'loss_gate_prior', 'loss_gate_hyperprior', 'tokens'} <= set(joined)
        for name, value in joined.items():
            assert sum(part[name] for part in parts) / 2 == pytest.approx(value, rel=1e-5, abs=1e-6), name
        assert parts[0]['loss_gate_prior'] == pytest.approx(parts[1]['loss_gate_prior']), 'shaped over both batches'
        assert parts[0]['loss'] != parts[1]['loss'], 'each has images of its own'


@pytest.mark.parametrize('task', TASKS)
def test_the_weights_are_those_of_the_joined_batch(work_dirs, task):
    alone, together = (read_checkpoint(work_dirs[f'{task}_{ranks}'] / 'iter_3.pth') for ranks in (1, 2))
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize('task', TASKS)
def test_every_image_is_scored_once(work_dirs, task):
    alone, together = (validation(work_dirs[f'{task}_{ranks}']) for ranks in (1, 2))
    for name in ('mIoU', 'accuracy/top1', 'tokens/count_mean', 'tokens/gmacs_mean', 'tokens/count_max'):
        assert together.get(name) == pytest.approx(alone.get(name)), name
    assert alone['tokens/count_mean'] > 4
