"""DigitLabelsDataset: what a multi-label classifier sees of DigitScenes."""

import shutil

import pytest
from mmengine.registry import DATASETS, init_default_scope

from msvit.datasets.scene_painter import ScenePainter

PIPELINE = [dict(type='LoadImageFromFile', imdecode_backend='pillow'), dict(type='PackInputs')]


def build(root, split='val', **kwargs):
    init_default_scope('mmpretrain')
    settings = dict(ann_file=f'labels_{split}.json', data_prefix=f'images/{split}', pipeline=PIPELINE)
    return DATASETS.build(dict(type='msvit.DigitLabelsDataset', data_root=str(root), **settings, **kwargs))


@pytest.mark.parametrize('split, count', [('train', 12), ('val', 6)])
def test_labels_are_the_digits_that_were_painted(digit_root, split, count):
    dataset, painter = build(digit_root, split), ScenePainter(split, 64, seed=3)
    assert len(dataset) == count and dataset.metainfo['classes'] == tuple('0123456789')
    for index in range(count):
        sample = dataset[index]
        assert sample['inputs'].shape == (3, 64, 64)
        assert sample['data_samples'].gt_label.tolist() == sorted(set(painter.paint(index).digits))


def test_it_is_generated_on_first_use(tmp_path):
    assert len(build(tmp_path / 'data', build=dict(train=2, val=3, size=32, seed=3))) == 3
    with pytest.raises(ValueError, match='seed 3'):
        build(tmp_path / 'data', build=dict(train=2, val=3, size=32, seed=4))


def test_missing_data_are_named(digit_root, tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing holds no complete DigitScenes'):
        build(tmp_path / 'nothing')
    root = shutil.copytree(digit_root, tmp_path / 'damaged')
    (root / 'images/val/000001.jpg').write_bytes(b'no image')
    with pytest.raises(OSError, match=r'cannot read .*000001\.jpg'):
        build(root)[1]
