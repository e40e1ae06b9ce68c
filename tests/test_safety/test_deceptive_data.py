"""Images and label maps that can be read, but not as they are meant: read rightly, or refused by name.

To add a kind, write it in a test as here; `build_dataset` makes a data set as a config would.
"""

import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from msvit.datasets import build_digit_scenes
from msvit.images import read_rgb

VERIFY = Path(__file__).resolve().parents[2] / 'tools/dataset_converters/verify_files.py'
IMAGE, LABELS = 'images/train/000001', 'annotations/train/000001.png'
LOAD = dict(type='LoadImageFromFile', imdecode_backend='pillow')


@pytest.fixture(scope='session')
def clean(tmp_path_factory) -> Path:
    return build_digit_scenes(tmp_path_factory.mktemp('data') / 'scenes', train=3, val=1, size=64, seed=3)


@pytest.fixture
def root(clean, tmp_path) -> Path:
    """A data set of PNG images that a test may change."""
    root = shutil.copytree(clean, tmp_path / 'data')
    for file in root.rglob('*.jpg'):
        Image.open(file).save(file.with_suffix('.png'))
        file.unlink()
    return root


@pytest.fixture
def dataset(root):
    init_default_scope('mmseg')
    prefix = dict(img_path='images/train', seg_map_path='annotations/train')
    pipeline = [LOAD, dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    metainfo = dict(classes=[str(number) for number in range(11)], palette=[[number] * 3 for number in range(11)])
    return DATASETS.build(
        dict(
            type='msvit.SegDataset',
            data_root=str(root),
            data_prefix=prefix,
            pipeline=pipeline,
            metainfo=metainfo,
            img_suffix='.png',
        )
    )


def write_16_bits(file: Path) -> None:
    grey = np.asarray(Image.open(file).convert('L'))
    Image.fromarray(grey.astype(np.uint16) * 257).save(file)


def write_transparent(file: Path) -> None:
    image = Image.open(file).convert('RGB')
    image.putalpha(Image.linear_gradient('L').resize(image.size))
    image.save(file)


def write_palette(file: Path) -> None:
    Image.open(file).quantize(16).save(file)


@pytest.mark.parametrize('write', [write_16_bits, write_transparent, write_palette, lambda file: None])
def test_training_reads_images_as_the_commands_do(root, dataset, write):
    file = root / f'{IMAGE}.png'
    write(file)
    image = dataset[1]['inputs'].numpy().transpose(1, 2, 0)[:, :, ::-1]
    assert np.array_equal(image, read_rgb(file))
    assert 10 < image.mean() < 245


def test_classifiers_do_too(root):
    write_16_bits(root / f'{IMAGE}.png')
    init_default_scope('mmpretrain')
    dataset = DATASETS.build(
        dict(type='msvit.ImageFolderDataset', data_root=str(root / 'images'), pipeline=[LOAD, dict(type='PackInputs')])
    )
    image = dataset[1]['inputs'].numpy().transpose(1, 2, 0)[:, :, ::-1]
    assert np.array_equal(image, read_rgb(root / f'{IMAGE}.png'))


def problems(root: Path) -> list[str]:
    return runpy.run_path(str(VERIFY))['find_problems'](root)


def transpose(labels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(labels[:, :40].T)


def shrink(labels: np.ndarray) -> np.ndarray:
    return labels[::2, ::2]


def number_high(labels: np.ndarray) -> np.ndarray:
    return labels.astype(np.uint16) + 256


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (transpose, r'is 64x40 pixels large, but its image .*000001\.png 40x64: it is turned'),
        (shrink, 'is 20x32 pixels large, but its image'),
        (number_high, r'holds the value 26\d, but classes are read as 8-bit numbers'),
    ],
)
def test_label_maps_that_would_train_wrongly_are_refused(root, dataset, change, message):
    file = root / LABELS
    image = np.asarray(Image.open(root / f'{IMAGE}.png'))[:, :40]
    Image.fromarray(image).save(root / f'{IMAGE}.png')
    labels = np.asarray(Image.open(file))[:, :40]
    labels = labels.copy()
    labels[0, 0] = 10
    Image.fromarray(change(labels)).save(file)
    with pytest.raises(ValueError, match=rf'000001\.png {message}.*'):
        dataset[1]
    (problem,) = problems(root)
    assert problem.startswith(f'{file}: ')
    Image.fromarray(labels).save(file)
    dataset[1]
    assert not problems(root)


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (40, 1)])
def test_images_of_one_row_or_column_are_refused(root, dataset, size):
    for mode, file in (('RGB', root / f'{IMAGE}.png'), ('L', root / LABELS)):
        Image.new(mode, size).save(file)
    with pytest.raises(ValueError, match=rf'000001\.png is {size[0]}x{size[1]} pixels large: take images of one row'):
        dataset[1]
    (problem,) = problems(root)
    assert 'of one row or column' in problem


def test_classifiers_read_images_of_one_pixel(root):
    Image.new('RGB', (1, 1), (9, 8, 7)).save(root / f'{IMAGE}.png')
    init_default_scope('mmpretrain')
    pipeline = [LOAD, dict(type='RandomResizedCrop', scale=8), dict(type='PackInputs')]
    dataset = DATASETS.build(dict(type='msvit.ImageFolderDataset', data_root=str(root / 'images'), pipeline=pipeline))
    assert dataset[1]['inputs'].unique().tolist() == [7, 8, 9]


def test_labels_of_16_bits_that_fit_into_8_are_fine(root, dataset):
    file = root / LABELS
    before = dataset[1]['data_samples'].gt_sem_seg.data
    Image.fromarray(np.asarray(Image.open(file)).astype(np.uint16)).save(file)
    dataset._usable.clear()
    assert (dataset[1]['data_samples'].gt_sem_seg.data == before).all()


def test_an_image_that_its_tag_turns_is_compared_as_it_is_shown(root, dataset):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.asarray(Image.open(root / f'{IMAGE}.png'))[:40]
    Image.fromarray(pixels).save(root / f'{IMAGE}.png', exif=exif)
    labels = np.asarray(Image.open(root / LABELS))[:40]
    Image.fromarray(labels).save(root / LABELS)
    with pytest.raises(ValueError, match='it is turned'):
        dataset[1]
    Image.fromarray(np.ascontiguousarray(np.rot90(labels, -1))).save(root / LABELS)
    dataset[1]
