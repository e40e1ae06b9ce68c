"""Images in a folder for each class."""

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image
from torch.utils.data import DataLoader

PIPELINE = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='RandomCrop', crop_size=8, padding=2),
    dict(type='PackInputs'),
]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('cat', 'dog'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        for number in range(3):
            image = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            image.save(tmp_path / 'train' / name / f'{number}.png')
    return tmp_path


def build(folder, **options):
    init_default_scope('mmpretrain')
    config = dict(type='msvit.ImageFolderDataset', data_root=str(folder), data_prefix='train', pipeline=PIPELINE[1:])
    return DATASETS.build({**config, **options})


def test_folders_are_classes(folder):
    dataset = build(folder)
    assert dataset.metainfo['classes'] == ('cat', 'dog')
    samples = [dataset[i] for i in range(6)]
    assert [sample['data_samples'].gt_label.item() for sample in samples] == [0, 0, 0, 1, 1, 1]
    assert samples[0]['inputs'].shape == (3, 8, 8)


@pytest.mark.parametrize('kind', ['msvit.ImageFolderDataset', 'msvit.ImageNetDataset'])
def test_a_missing_folder_is_named_with_the_layout(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match=r'(?s)the folder .*val does not exist.*Expected layout:.*<data_root>'):
        build(tmp_path, type=kind, data_prefix='val')


def test_a_truncated_image_is_named(folder):
    file = folder / 'train' / 'dog' / '1.png'
    file.write_bytes(file.read_bytes()[:60])
    loader = DataLoader(build(folder), num_workers=1, collate_fn=list)
    with pytest.raises(OSError, match=r'cannot read .*dog/1\.png: .*verify_files\.py'):
        list(loader)


def test_augmentation_depends_on_the_place_in_training_alone(folder):
    from msvit.datasets.seeding import ResumableEpochSampler

    dataset = build(folder, pipeline=PIPELINE)

    def epoch(number, workers):
        sampler = ResumableEpochSampler(dataset, seed=3)
        sampler.set_epoch(number)
        loader = DataLoader(dataset, sampler=sampler, num_workers=workers, collate_fn=list)
        return [batch[0]['inputs'].flatten().tolist() for batch in loader]

    assert epoch(1, workers=0) == epoch(1, workers=2)
    assert epoch(1, workers=0) != epoch(2, workers=0)
