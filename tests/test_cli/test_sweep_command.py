"""``msvit sweep``: real trainings of a tiny classifier, each in its own process."""

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from msvit.cli import main

CONFIG = """
default_scope = 'mmpretrain'
randomness = dict(seed=0)
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(by_epoch=False, window_size=1)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1),
)
custom_imports = dict(imports=['toy_hook'])
custom_hooks = [dict(type='msvit.IterationSeedHook'), dict(type='msvit.GateLossHook'), dict(type='ToyHook')]
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, num_classes=2),
    backbone=dict(
        type='msvit.MSViT',
        arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8),
        img_size=32,
        coarse_patch_size=16,
        out_type='cls_token',
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(2, 2), target=0.5, weight=1.0),
    ),
    head=dict(type='LinearClsHead', in_channels=16, num_classes=2, topk=(1,), loss=dict(type='CrossEntropyLoss')),
)
train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=32),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]
dataset = dict(type='CustomDataset', data_root='{root}', data_prefix='images')
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='msvit.ResumableSampler', shuffle=True),
                        dataset=dict(pipeline=train_pipeline, **dataset))
val_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset=dict(pipeline=test_pipeline, **dataset))
val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='msvit.TokenMetric')]
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=3, val_interval=3)
val_cfg = dict()
"""

HOOK = """
import os, signal, time
from pathlib import Path
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class ToyHook(Hook):
    priority = 'VERY_HIGH'

    def __init__(self, die_at=None, linger=None):
        self.die_at, self.linger = die_at, linger

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.die_at and not runner._resume:
            print('about to be killed', flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def before_val(self, runner):
        if self.linger and not Path(self.linger).exists():
            Path(self.linger).touch()
            time.sleep(600)
"""


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    """The config of a classifier of six noise images; its hook can be told to kill the training or to stay in validation."""
    rng = np.random.default_rng(0)
    for label in 'ab':
        folder = tmp_path / 'data' / 'images' / label
        folder.mkdir(parents=True)
        for number in range(3):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f'{number}.png')
    (tmp_path / 'toy_hook.py').write_text(HOOK)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.syspath_prepend(tmp_path)  # the tool imports it too, when it reads the config
    path = tmp_path / 'toy.py'
    path.write_text(CONFIG.replace('{root}', str(tmp_path / 'data')))
    return path


@pytest.fixture
def dense(config) -> Path:
    path = config.with_name('plain_vit.py')
    path.write_text(f"_base_ = '{config}'\nmodel = dict(backbone=dict(gate=None, gate_loss=None))\n")
    return path


def steps(folder: Path) -> list[list[int]]:
    """The training iterations that each run of a point logged."""
    files = sorted(folder.glob('run/*/vis_data/scalars.json'))
    records = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    return [[record['step'] for record in run if 'loss' in record] for run in records]


def processes_of(folder: Path) -> list[str]:
    """The command lines of running processes that name a folder, where /proc tells them."""
    found = []
    for file in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes().replace(b'\0', b' ').decode(errors='replace'))
    return [line for line in found if str(folder) in line]


def test_a_sweep_goes_on_after_a_failure_and_trains_nothing_twice(config, dense, tmp_path, capsys):
    work_dir, out = tmp_path / 'sweep', tmp_path / 'sweep.json'
    command = [str(config), '--work-dir', str(work_dir), '--target', '0.25', '--dense', str(dense), '--out', str(out)]
    command += ['--variant', 'dies', 'custom_hooks.2.die_at=2', '--variant', 'lives']
    names = ['dense=plain_vit,img_size=32,seed=0'] + [
        f'variant={variant},target=0.25,weight=1,img_size=32,seed=0' for variant in ('dies', 'lives')
    ]

    assert main(['sweep', *command]) == 1
    said = capsys.readouterr().out
    assert f'FAILED {names[1]}: train.py ended with status -9' in said
    assert 'about to be killed' in said
    assert 'Failed: 1 of 3 points' in said
    assert [(work_dir / name / 'result.json').is_file() for name in names] == [True, False, True]
    figures = json.loads(out.read_text())
    assert figures['failed'] == [names[1]]
    assert [point['name'] for point in figures['points']] == [names[0], names[2]]
    metrics = figures['points'][1]['metrics']
    assert {'accuracy/top1', 'tokens/count_mean', 'tokens/gmacs_mean'} <= set(metrics) and 'step' not in metrics
    assert figures['points'][1]['train_seconds_per_iter'] > 0
    assert figures['metric'] == 'accuracy/top1'

    (work_dir / 'sweep.png').unlink()
    assert main(['sweep', *command, '--draw-only']) == 0
    assert '0 of 1' in capsys.readouterr().out
    assert Image.open(work_dir / 'sweep.png').width > 500

    times = {path: path.stat().st_mtime_ns for name in (names[0], names[2]) for path in (work_dir / name).rglob('*')}
    assert main(['sweep', *command]) == 0
    assert 'Failed' not in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for name in (names[0], names[2]) for path in (work_dir / name).rglob('*')} == times
    assert steps(work_dir / names[1]) == [[1, 2], [3]]
    assert len(json.loads(out.read_text())['points']) == 3

    with pytest.raises(SystemExit, match='3 of 3 points were trained with another config(.|\n)*Choose another --work-dir'):
        main(['sweep', *command, '--cfg-options', 'optim_wrapper.optimizer.lr=0.5'])
    with pytest.raises(SystemExit, match='error: not every result has accuracy/top9: .* accuracy/top1, tokens/count_max'):
        main(['sweep', *command, '--draw-only', '--metric', 'accuracy/top9'])


def test_a_sweep_that_is_killed_ends_its_training_and_makes_up_for_the_lost_validation(config, tmp_path, capsys):
    work_dir, sign = tmp_path / 'sweep', tmp_path / 'in_validation'
    folder = work_dir / 'target=0.5,weight=4,img_size=48,seed=5'
    command = [str(config), '--work-dir', str(work_dir), '--weight', '4', '--img-size', '48', '--seed', '5']
    command += ['--cfg-options', f'custom_hooks.2.linger={sign}']

    def kill_in_validation():
        while not sign.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    killer = threading.Thread(target=kill_in_validation, daemon=True)
    killer.start()
    assert main(['sweep', *command]) == 130
    killer.join()
    said = capsys.readouterr().out
    assert 'Interrupted: the same command goes on' in said
    assert 'nothing to draw' in said
    assert (folder / 'run' / 'iter_3.pth').is_file()
    assert steps(folder) == [[1, 2, 3]]
    assert not (folder / 'result.json').exists()
    assert not processes_of(folder), 'the training is gone'

    assert main(['sweep', *command]) == 0
    assert steps(folder) == [[1, 2, 3]]
    result = json.loads((folder / 'result.json').read_text())
    assert result['metrics'] == json.loads((folder / 'evaluation.json').read_text())['metrics']
    assert result['values'] == dict(target=0.5, weight=4, img_size=48, seed=5)
    assert 9 <= result['metrics']['tokens/count_mean'] <= 36  # regions and patches of 48 pixels


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'There is no config nowhere.py'),
        (['{dense}', '--target', '0.5'], 'model.backbone has no gate_loss, so there is no target to sweep'),
        (['{config}', '--jobs', '0'], 'argument --jobs: must be a whole number from 1 on'),
        (['{config}', '--dense', '{dense}', '{dense}'], '--dense: each needs a name of its own'),
        (['{config}', '--variant', 'a', '--variant', 'a'], '--variant: each needs a name of its own'),
        (['{config}', '--variant', 'a', 'b'], "'b' is no KEY=VALUE"),
        (['{config}', '--variant', '../a'], 'part of a folder name'),
        (['{config}', '--img-size', '0'], 'the input size must be a positive int'),
        (['{config}', '--cfg-options', 'val_evaluator=None'], "no dict(type='msvit.TokenMetric')"),
    ],
)
def test_user_mistakes_are_named_before_anything_starts(config, dense, tmp_path, capsys, arguments, message):
    arguments = [argument.format(config=config, dense=dense) for argument in arguments]
    with pytest.raises(SystemExit) as end:
        main(['sweep', *arguments, '--work-dir', str(tmp_path / 'w')])
    assert message in f'{end.value}{capsys.readouterr().err}'
    assert not (tmp_path / 'w').exists()


def test_nothing_to_draw(config, tmp_path, capsys):
    assert main(['sweep', str(config), '--work-dir', str(tmp_path / 'w'), '--draw-only']) == 1
    assert 'Nothing is finished' in capsys.readouterr().out
