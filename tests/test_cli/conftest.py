"""Tiny models with random weights and real scenes for the commands."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config

from msvit.analysis.load_model import build_model
from msvit.checkpoints import save_weights
from msvit.datasets import build_digit_scenes

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture(scope='session')
def scenes(tmp_path_factory) -> Path:
    """The root of three DigitScenes to test on."""
    return build_digit_scenes(tmp_path_factory.mktemp('scenes') / 'data', train=4, val=3)


@pytest.fixture
def trained(tmp_path, scenes) -> Callable[..., tuple[str, str]]:
    """Makes config and checkpoint of a model with random weights, ``msseg`` or ``seg`` on the scenes."""

    def build(name: str = 'msseg', **backbone) -> tuple[str, str]:
        base = CONFIGS / f'{name}_mini8_128x128_digit_scenes.py'
        path = tmp_path / f'{name}_tiny.py'
        path.write_text(
            f"_base_ = '{base}'\nload_from = None\n"
            f'model = dict(backbone={backbone!r})\n'
            + ''.join(
                f'{split}_dataloader = dict(num_workers=0, dataset=dict(data_root={str(scenes)!r}, build=None))\n'
                for split in ('train', 'val', 'test')
            )
        )
        weights = save_weights(build_model(Config.fromfile(path)), tmp_path / f'{name}.safetensors')
        return str(path), str(weights)

    return build
