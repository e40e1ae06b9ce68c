"""Sweeps: the grid and its folders, what counts as finished, figures over seeds, several trainings at once, the picture."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mmengine.config import Config
from PIL import Image

from msvit.analysis.sweep.drawing import draw
from msvit.analysis.sweep.points import Point, fingerprint, make_points
from msvit.analysis.sweep.results import (
    MetricError,
    final_validation,
    read_records,
    require_unchanged,
    summarise,
    write_result,
)
from msvit.analysis.sweep.training import child_environment, train_points

# A training program that keeps records as mmengine does; its config says how it goes.
TRAINER = """
import json, os, pathlib, sys, time
cfg = {}
exec(pathlib.Path(sys.argv[1]).read_text(), cfg)
run = pathlib.Path(sys.argv[3])
(run / 'now' / 'vis_data').mkdir(parents=True, exist_ok=True)
time.sleep(cfg.get('sleep', 0))
assert not cfg.get('fails'), 'it was told to fail'
records = [dict(lr=0.1, time=0.5, step=1), dict(lr=0.1, time=0.7, step=2)]
records += [{'accuracy/top1': 50.0, 'tokens/count_mean': 8.0, 'tokens/gmacs_mean': 1.0, 'data_time': 0.1, 'step': 2}]
(run / 'now' / 'vis_data' / 'scalars.json').write_text('\\n'.join(map(json.dumps, records)))
(run / 'last_checkpoint').write_text(str(run / 'iter_2.pth'))
print(os.environ.get('OMP_NUM_THREADS'))
"""


def mixed_config() -> Config:
    gate_loss = dict(type='msvit.GBaSLoss', grid=(2, 2), target=0.5, weight=4)
    return Config(
        dict(
            model=dict(backbone=dict(img_size=32, coarse_patch_size=16, gate_loss=gate_loss)),
            train_dataloader=dict(dataset=dict(pipeline=[dict(type='RandomResizedCrop', scale=32)])),
            val_dataloader=dict(dataset=dict(pipeline=[dict(type='Resize', scale=32)])),
            val_cfg=dict(),
            val_evaluator=[dict(type='Accuracy'), dict(type='msvit.TokenMetric')],
            randomness=dict(seed=0),
        )
    )


def dense_config() -> Config:
    cfg = mixed_config()
    del cfg.model.backbone.gate_loss
    return cfg


def make_point(work_dir: Path, text: str = '', **values) -> Point:
    return Point(values, text, work_dir)


def write_records(run_dir: Path, name: str, records: list[dict], checkpoint: str = 'iter_20.pth') -> None:
    folder = run_dir / name / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, records)))
    (run_dir / 'last_checkpoint').write_text(f'/elsewhere/{checkpoint}')


def finish(point: Point, **metrics) -> None:
    point.folder.mkdir(parents=True)
    write_result(point, {'tokens/count_mean': 10.0, 'tokens/gmacs_mean': 2.0, **metrics})


def test_the_grid_covers_all_axes_seed_by_seed(tmp_path):
    points = make_points(
        mixed_config(),
        tmp_path,
        targets=[0.5, 0.1],
        weights=[1.0, 20.0],
        img_sizes=[32, 64],
        seeds=[0, 1],
        dense={'plain': dense_config()},
    )
    assert len(points) == 2 * (2 + 2 * 2 * 2)
    assert [point.values['seed'] for point in points] == [0] * 10 + [1] * 10
    assert points[1].name == 'dense=plain,img_size=64,seed=0'
    assert points[9].name == 'target=0.1,weight=20,img_size=64,seed=0'
    assert points[9].folder == tmp_path / points[9].name
    cfg = Config.fromstring(points[9].text, '.py')
    assert cfg.model.backbone.gate_loss.to_dict() == dict(type='msvit.GBaSLoss', grid=(4, 4), target=0.1, weight=20.0)
    assert cfg.model.backbone.img_size == 64
    assert cfg.train_dataloader.dataset.pipeline[0].scale == 64
    assert cfg.randomness.seed == 0


def test_an_axis_left_out_is_the_configs_and_the_same_point(tmp_path):
    (alone,) = make_points(mixed_config(), tmp_path)
    (chosen,) = make_points(mixed_config(), tmp_path, targets=[0.5], weights=[4.0], img_sizes=[32], seeds=[0])
    assert alone.name == chosen.name == 'target=0.5,weight=4,img_size=32,seed=0'
    assert alone.fingerprint == chosen.fingerprint


def test_variants_are_an_axis(tmp_path):
    variants = {'plain': {}, 'big': {'model.backbone.coarse_patch_size': 32, 'model.backbone.gate_loss.weight': 2}}
    points = make_points(mixed_config(), tmp_path, targets=[0.5, 0.1], variants=variants)
    assert [point.values['variant'] for point in points] == ['plain', 'plain', 'big', 'big']
    assert [point.values['weight'] for point in points] == [4, 4, 2, 2]
    assert 'coarse_patch_size=32' in points[3].text.replace(' ', '')


def test_the_same_value_twice_is_one_point(tmp_path):
    assert len(make_points(mixed_config(), tmp_path, targets=[0.5, 0.5])) == 1


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(val_dataloader=None), 'no validation'),
        (dict(val_evaluator=dict(type='Accuracy')), r'add it. A dense baseline needs it too.*gate=None'),
        (dict(visualizer=dict(vis_backends=[dict(type='TensorboardVisBackend')])), 'LocalVisBackend'),
        (dict(default_hooks=dict(checkpoint=None)), 'default_hooks.checkpoint'),
    ],
)
def test_configs_whose_results_could_not_be_read_are_refused(tmp_path, change, message):
    cfg = mixed_config()
    for key, value in change.items():
        cfg[key] = value
    with pytest.raises(ValueError, match=message):
        make_points(cfg, tmp_path)


def test_of_several_losses_the_one_with_a_target_is_swept(tmp_path):
    cfg = mixed_config()
    cfg.model.backbone.gate_loss = [dict(type='msvit.TeachingLoss', weight=1.0), cfg.model.backbone.gate_loss]
    (point,) = make_points(cfg, tmp_path, targets=[0.1], weights=[2.0], img_sizes=[64])
    teaching, shaping = Config.fromstring(point.text, '.py').model.backbone.gate_loss
    assert teaching == dict(type='msvit.TeachingLoss', weight=1.0)
    assert shaping == dict(type='msvit.GBaSLoss', grid=(4, 4), target=0.1, weight=2.0)
    assert (point.values['target'], point.values['weight']) == (0.1, 2.0)


@pytest.mark.parametrize('axis', ['targets', 'weights'])
def test_a_config_without_gate_loss_has_no_such_axis(tmp_path, axis):
    with pytest.raises(ValueError, match=f'no gate_loss, so there is no {axis[:-1]} to sweep'):
        make_points(dense_config(), tmp_path, **{axis: [0.5]})


def test_layout_of_a_config_does_not_change_its_fingerprint():
    assert fingerprint("a = dict(b=1,\n  c='x')\n") == fingerprint('a=dict(b=1, c="x")')
    assert fingerprint('a = 1') != fingerprint('a = 2')


@pytest.mark.parametrize('state', ['finished', 'interrupted'])
def test_another_config_is_not_taken_for_done(tmp_path, state):
    old, new = (make_point(tmp_path, f'lr = {rate}', seed=0) for rate in (1, 2))
    if state == 'finished':
        finish(old)
    else:
        write_records(old.run_dir, '1', [])
        old.config_file.write_text(old.text)
    require_unchanged([old])
    with pytest.raises(
        ValueError, match=r'1 of 2 points were trained with another config.*\n.*seed=0\n.*delete these folders'
    ):
        require_unchanged([new, make_point(tmp_path, seed=1)])


def test_a_config_may_change_before_anything_is_trained(tmp_path):
    old, new = (make_point(tmp_path, f'lr = {rate}', seed=0) for rate in (1, 2))
    old.folder.mkdir()
    old.config_file.write_text(old.text)
    require_unchanged([new])


VALIDATION = {'mIoU': 30.0, 'time': 0.1, 'data_time': 0.1}


@pytest.mark.parametrize('checkpoint', ['iter_20.pth', 'epoch_20.pth'])
def test_the_final_validation_is_the_last_of_all_runs(tmp_path, checkpoint):
    write_records(tmp_path, '2', [dict(lr=1, step=20), {**VALIDATION, 'mIoU': 40.0, 'step': 20}], checkpoint)
    write_records(tmp_path, '1', [dict(lr=1, step=10), {**VALIDATION, 'step': 10}, dict(lr=1, step=19)], checkpoint)
    assert final_validation(tmp_path) == {'mIoU': 40.0}


def test_a_validation_before_the_last_checkpoint_is_not_final(tmp_path):
    write_records(tmp_path, '1', [dict(lr=1, step=10), {**VALIDATION, 'step': 10}, dict(lr=1, step=20)])
    assert final_validation(tmp_path) is None


def test_a_record_cut_short_is_left_out(tmp_path):
    write_records(tmp_path, '1', [dict(lr=1, step=20)])
    with open(tmp_path / '1' / 'vis_data' / 'scalars.json', 'a') as file:
        file.write('\n{"mIoU": 3')
    assert read_records(tmp_path) == [dict(lr=1, step=20)]


def test_figures_over_seeds(tmp_path):
    points = [make_point(tmp_path, target=target, seed=seed) for target in (0.1, 0.5) for seed in (0, 1, 2)]
    write_records(
        points[0].run_dir, '1', [dict(lr=1, time=0.5, step=1), dict(lr=1, time=0.3, step=2), VALIDATION | dict(step=2)]
    )
    (points[0].folder / 'result.json').unlink(missing_ok=True)
    metrics = {'tokens/count_mean': 10.0, 'tokens/gmacs_mean': 2.0, 'tokens/inputs_per_image': 3.0}
    write_result(points[0], {'mIoU': 30.0, **metrics})
    finish(points[1], **{'mIoU': 34.0, 'tokens/inputs_per_image': 5.0})
    summaries, metric = summarise(points)
    first, second = summaries.itertuples()
    assert metric == 'mIoU'
    assert first.values == dict(target=0.1) and (first.done, first.planned) == (2, 3)
    assert first.metric == pytest.approx(32) and first.metric_std == pytest.approx(8**0.5)
    assert first.gmacs == pytest.approx(8)  # 2 GMACs for each window, 3 and 5 windows in an image
    assert first.tokens == 10
    assert first.train_seconds_per_iter == pytest.approx(0.4)
    assert second.values == dict(target=0.5) and (second.done, second.planned) == (0, 3)
    assert summaries.drop(columns=['values', 'done', 'planned']).iloc[1].isna().all()


def test_a_metric_is_chosen_and_a_wrong_one_named(tmp_path):
    point = make_point(tmp_path, seed=0)
    assert summarise([point], 'loss')[1] == 'loss'  # nobody can know yet
    finish(point, **{'loss': 1.0})
    assert summarise([point], 'loss')[0].metric[0] == 1.0
    with pytest.raises(MetricError, match='not every result has accuracy/top1 or mIoU: choose with --metric among loss'):
        summarise([point])


@pytest.fixture
def tools(tmp_path) -> Path:
    folder = tmp_path / 'tools'
    folder.mkdir()
    (folder / 'train.py').write_text(TRAINER)
    return folder


def test_trainings_run_together_and_failures_do_not_stop_the_rest(tmp_path, tools, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    points = [make_point(tmp_path, 'fails = True' if seed == 1 else 'sleep = 1', seed=seed) for seed in range(4)]
    started, begin = [], time.monotonic()
    outcomes = []
    train_points(points, tools, jobs=4, started=started.append, ended=outcomes.append)
    assert time.monotonic() - begin < 3.5
    assert sorted(point.name for point in started) == [point.name for point in points]
    errors = {outcome.point.values['seed']: outcome.error for outcome in outcomes}
    assert [bool(errors[seed]) for seed in range(4)] == [False, True, False, False]
    assert 'AssertionError: it was told to fail' in errors[1] and 'train.py ended with status 1' in errors[1]
    result = json.loads(points[0].result_file.read_text())
    assert result['metrics'] == {'accuracy/top1': 50.0, 'tokens/count_mean': 8.0, 'tokens/gmacs_mean': 1.0}
    assert result['train_seconds_per_iter'] == pytest.approx(0.6)
    assert not points[1].result_file.exists()


def test_a_kill_ends_the_trainings_and_starts_no_other(tmp_path, tools):
    points = [make_point(tmp_path, f'sleep = {sleep}', seed=sleep) for sleep in (0, 60, 61)]

    def kill_in_the_second():
        while not points[1].run_dir.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    begin, outcomes = time.monotonic(), []
    threading.Thread(target=kill_in_the_second, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        train_points(points, tools, ended=outcomes.append)
    assert time.monotonic() - begin < 20
    assert [outcome.point for outcome in outcomes] == points[:1]
    assert [point.result_file.exists() for point in points] == [True, False, False]
    assert not points[2].folder.exists()


@pytest.mark.parametrize(
    ('environ', 'jobs', 'gpus', 'changed'),
    [
        ({}, 1, ['0'], {}),
        ({}, 2, ['3', '5'], {'CUDA_VISIBLE_DEVICES': '5'}),
        ({}, 2, ['0'], {'CUDA_VISIBLE_DEVICES': '0'}),
        ({}, 10**6, [], {'OMP_NUM_THREADS': '1'}),
        ({'OMP_NUM_THREADS': '7'}, 2, [], {'OMP_NUM_THREADS': '7'}),
    ],
)
def test_trainings_share_the_machine(environ, jobs, gpus, changed):
    assert child_environment({'HOME': '/', **environ}, 1, jobs, gpus) == {'HOME': '/', **changed}


def summaries(done: int = 10) -> pd.DataFrame:
    """Of ten places, the first of which are finished."""
    places = [dict(dense='plain', img_size=size) for size in (224, 384)]
    places += [dict(target=g, weight=w, img_size=size) for size in (224, 384) for w in (1.0, 4.0) for g in (0.5, 0.1)]
    table = pd.DataFrame(
        dict(values=place, done=1, planned=1, metric=70.0, metric_std=0.5, gmacs=2.0 + number, gmacs_std=0.1)
        for number, place in enumerate(places)
    )
    table.loc[done:, 'done'] = 0
    return table


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert('RGB')).reshape(-1, 3)


@pytest.mark.parametrize('colour', [(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0, 0, 0)])
def test_each_weight_has_its_colour_and_baselines_are_black(tmp_path, colour):
    draw(summaries(), 'accuracy/top1', tmp_path / 'sweep.png', 'toy')
    assert (pixels(tmp_path / 'sweep.png') == colour).all(axis=1).sum() > 100
    assert [path.name for path in tmp_path.iterdir()] == ['sweep.png']


def test_the_picture_of_an_unfinished_sweep(tmp_path):
    draw(summaries(), 'mIoU', tmp_path / 'whole.png')
    draw(summaries(done=4), 'mIoU', tmp_path / 'part.png')
    orange = [(pixels(tmp_path / name) == (0xD5, 0x5E, 0x00)).all(axis=1).sum() for name in ('whole.png', 'part.png')]
    assert orange[0] > 100 and orange[1] == 0  # the second weight is still to come
