"""Tiny models with random weights and real scenes for the commands."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from msvit.checkpoints import save_weights
from msvit.datasets import build_digit_scenes
from msvit.engine.load_model import build_model

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


@pytest.fixture
def images(tmp_path) -> Path:
    """A folder of noise in every kind of image file, 56x40 pixels; one is turned by EXIF, one tiny."""
    folder = tmp_path / 'images'
    (folder / 'deeper').mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 4), dtype=np.uint8)
    Image.fromarray(noise[..., :3]).save(folder / 'rgb.jpg')
    Image.fromarray(noise[..., 0]).save(folder / 'grey.png')
    Image.fromarray(noise).save(folder / 'rgba.png')
    Image.fromarray(noise[..., 0]).convert('P').save(folder / 'palette.gif')
    Image.fromarray(noise[..., 0].astype(np.uint16) * 200).save(folder / 'deep.tif')
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(noise[..., :3]).save(folder / 'deeper' / 'turned.JPG', exif=exif)
    Image.fromarray(noise[:5, :3, :3]).save(folder / 'deeper' / 'tiny.png')
    (folder / 'readme.txt').write_text('no image')
    return folder
