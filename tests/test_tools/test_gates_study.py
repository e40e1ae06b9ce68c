"""tools/benchmarks/gates.py: every gate goes on from the same dense model, and is tested at the same shares."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'tools' / 'benchmarks'

CONFIG = """
_base_ = '{root}/configs/msseg_t16_480x352_camvid_cpu.py'
crop_size = (64, 96)
data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        arch=dict(_delete_=True, embed_dim=192, depth=1, num_heads=1, patch_size=16), img_size=crop_size, pretrained=None
    ),
)
train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = (96, 64)
train_pipeline[4].crop_size = crop_size
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (96, 64)
train_dataloader = dict(num_workers=0, batch_size=2, dataset=dict(data_root='{data}', pipeline=train_pipeline))
test_dataloader = dict(num_workers=0, dataset=dict(data_root='{data}', pipeline=test_pipeline))
val_dataloader = test_dataloader
max_iters = 4
train_cfg = dict(max_iters=max_iters)
param_scheduler = [dict(type='PolyLR', power=1.0, begin=2, end=max_iters, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1))
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
custom_hooks = [*_base_.custom_hooks[:3], dict(_base_.custom_hooks[3], begin=2, iters=3, fine_share=0.5)]
"""


@pytest.fixture
def study(tmp_path, monkeypatch, safe_loading):
    """Return a function that runs the tool on generated pictures."""
    monkeypatch.syspath_prepend(FOLDER)
    data = runpy.run_path(str(FOLDER / 'tiny_data.py'))['make_tiny_data'](tmp_path / 'data', 11, (96, 64))
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=ROOT, data=data))
    tool = runpy.run_path(str(FOLDER / 'gates.py'))
    return lambda *arguments: tool['main']([str(config), '--work-dir', str(tmp_path / 'work'), *arguments])


def test_all_gates_are_trained_tested_and_told(study, tmp_path, capsys):
    arguments = ('--gates', 'taught', 'oracle', 'random', '--shares', '0.25')
    study(*arguments)
    work = tmp_path / 'work'
    table = (work / 'table.md').read_text()
    rows = {tuple(cell.strip() for cell in line.split('|')[1:4]) for line in table.splitlines()[2:]}
    assert rows == {('1', 'dense', '1')} | {(share, gate, '1') for share in ('0.5', '0.25') for gate in arguments[1:4]}
    tokens = {path.parent.name: json.loads(path.read_text())['tokens'] for path in work.glob('seed0/*/share_0.5.json')}
    assert tokens['taught'] == tokens['oracle'] == tokens['random'] == 6 + 3 * 3
    assert json.loads((work / 'seed0' / 'dense' / 'share_1.json').read_text())['tokens'] == 24
    before = {path: path.stat().st_mtime_ns for path in work.glob('seed0/**/*.pth')}
    capsys.readouterr()
    study(*arguments)
    assert before == {path: path.stat().st_mtime_ns for path in work.glob('seed0/**/*.pth')}, 'nothing runs twice'
    assert table in capsys.readouterr().out


def test_models_are_tested_with_other_regions_too(study, tmp_path):
    study('--gates', 'taught', 'oracle', '--at-test', 'oracle', 'random')
    table = (tmp_path / 'work' / 'table.md').read_text()
    for row in ('taught', 'taught, oracle at test', 'taught, random at test', 'oracle', 'oracle, random at test'):
        assert f'| {row} |' in table
    figures = {path.name: json.loads(path.read_text()) for path in tmp_path.glob('work/seed0/taught/share_*.json')}
    assert set(figures) == {'share_0.5.json', 'share_0.5_oracle.json', 'share_0.5_random.json'}
    assert len({row['tokens'] for row in figures.values()}) == 1
    assert len({row['metrics']['aAcc'] for row in figures.values()}) > 1, 'other regions, other scores'


def test_a_config_without_a_lesson_is_an_error(study, tmp_path, capsys):
    config = tmp_path / 'config.py'
    config.write_text(config.read_text() + 'custom_hooks = custom_hooks[:3]\n')
    with pytest.raises(SystemExit):
        study()
    assert 'must have one TeachGateHook' in capsys.readouterr().err
