"""Files in memory: the same samples, each file read once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS

from msvit.datasets.caching import CachedLoading, keep_loaded

AFTER_RESIZE = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=(48, 40), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
AUGMENTED = [
    *(AFTER_RESIZE[0], AFTER_RESIZE[2]),
    dict(type='RandomResize', scale=(64, 64), ratio_range=(0.7, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 32)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def root(digit_root, tmp_path):
    return shutil.copytree(digit_root, tmp_path / 'scenes')


@pytest.mark.parametrize('pipeline', [AFTER_RESIZE, AUGMENTED], ids=['after resize', 'augmented'])
def test_the_same_samples_without_the_files(pipeline, root, build_dataset):
    plain, cached = (build_dataset('msvit.DigitScenesDataset', root, cache=cache) for cache in (False, True))
    for dataset in (plain, cached):
        loading = isinstance(dataset.pipeline.transforms[0], CachedLoading)
        assert loading == (dataset is cached)
    transforms = [TRANSFORMS.build(dict(transform)) for transform in pipeline]
    plain.pipeline.transforms, cached.pipeline.transforms = transforms, keep_loaded(transforms)

    def draw(dataset, seed: int) -> list:
        np.random.seed(seed)
        return [dataset[i] for i in range(4)]

    expected = [draw(plain, seed) for seed in range(3)]
    actual = [draw(cached, 0)]
    shutil.rmtree(root / 'images')
    shutil.rmtree(root / 'annotations')
    actual += [draw(cached, seed) for seed in (1, 2)]
    for ours, wanted in zip(sum(actual, []), sum(expected, []), strict=True):
        assert torch.equal(ours['inputs'], wanted['inputs'])
        assert torch.equal(ours['data_samples'].gt_sem_seg.data, wanted['data_samples'].gt_sem_seg.data)
        assert ours['data_samples'].metainfo == wanted['data_samples'].metainfo


def test_a_broken_file_is_named_as_ever(root, build_dataset):
    dataset = build_dataset('msvit.DigitScenesDataset', root, cache=True)
    path = Path(dataset.get_data_info(0)['img_path'])
    content = path.read_bytes()
    path.write_bytes(content[:200])
    with pytest.raises(OSError, match=f'cannot read {path}'):
        dataset[0]
    path.write_bytes(content)
    assert dataset[0]['inputs'].shape == (3, 64, 64)
