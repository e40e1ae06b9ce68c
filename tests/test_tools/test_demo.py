"""The demo runs from start to end, with two iterations of training."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from msvit.datasets import build_digit_scenes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def options(tmp_path) -> list[str]:
    root = build_digit_scenes(tmp_path / 'scenes', train=32, val=6, size=192)
    options = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'train_dataloader.num_workers=0']
    options += ['train_dataloader.batch_size=2']  # of the lesson of the gate too
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        options += [f'{loader}.dataset.data_root={root}', f'{loader}.dataset.build=None']
    return options


def test_demo(tmp_path, options):
    command = [sys.executable, ROOT / 'tools/demo.py', '--work-dir', tmp_path / 'demo', '--cfg-options', *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / 'demo/demo.json').read_text())
    assert figures['dense']['tokens/count_mean'] == 576
    assert 144 <= figures['mixed']['tokens/count_mean'] <= 576
    assert 0 <= figures['fine_share']['foreground'] <= 1
    assert figures['speedup'] > 0
    assert Image.open(tmp_path / 'demo/demo.png').width > 500
    assert list((tmp_path / 'demo/mixed').rglob('scale_maps/**/*.png'))
    assert 'tokens per image' in done.stdout
