from pathlib import Path

import pytest
from mmengine.registry import DATASETS, init_default_scope

from msvit.datasets import build_digit_scenes


@pytest.fixture(scope='session')
def digit_root(tmp_path_factory) -> Path:
    """A small DigitScenes that tests read only."""
    return build_digit_scenes(tmp_path_factory.mktemp('data') / 'digit_scenes', train=12, val=6, size=64, seed=3)


@pytest.fixture
def build_dataset():
    """Builds a data set as an mmseg config would, of the given type and split."""
    init_default_scope('mmseg')
    pipeline = [
        dict(type='LoadImageFromFile', imdecode_backend='pillow'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]

    def build(kind: str, root: Path | str, split: str = 'train', **kwargs):
        prefix = dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}')
        return DATASETS.build(dict(type=kind, data_root=str(root), data_prefix=prefix, pipeline=pipeline, **kwargs))

    return build
