"""COCO annotations of DigitScenes, which need no mmdet, and the data set that does."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DATASETS
from PIL import Image

from msvit import compat
from msvit.datasets import build_digit_instances, build_digit_scenes
from msvit.datasets.digit_instances import run_lengths

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/digit_scenes.py'


@pytest.fixture
def root(tmp_path) -> Path:
    return build_digit_scenes(tmp_path / 'digit_scenes', train=3, val=4, size=64, seed=5)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def decode(segmentation: dict) -> np.ndarray:
    """(H, W) bool of COCO's uncompressed run lengths: columns one after the other, beginning with a run of 0."""
    counts = segmentation['counts']
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(segmentation['size'][::-1]).T


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 1.0])
def test_run_lengths_come_back(share):
    mask = np.random.default_rng(0).random((7, 5)) < share
    counts = run_lengths(mask)
    assert sum(counts) == mask.size and all(count > 0 for count in counts[1:])
    np.testing.assert_array_equal(decode(dict(size=mask.shape, counts=counts)), mask)


def test_a_known_mask():
    assert run_lengths(np.array([[0, 1, 1], [0, 0, 1]])) == [2, 1, 1, 2]


@pytest.mark.parametrize('split, count', [('train', 3), ('val', 4)])
def test_every_digit_has_its_box_and_its_pixels(root, split, count):
    build_digit_instances(root)
    coco = json.loads((root / 'annotations' / f'instances_{split}.json').read_text())
    assert len(coco['images']) == count and [category['name'] for category in coco['categories']] == list('0123456789')
    for image in coco['images']:
        labels = np.array(Image.open(root / 'annotations' / split / f'{Path(image["file_name"]).stem}.png'))
        painted = np.zeros_like(labels)
        for digit in (digit for digit in coco['annotations'] if digit['image_id'] == image['id']):
            mask = decode(digit['segmentation'])
            rows, columns = np.nonzero(mask)
            x, y = columns.min(), rows.min()
            assert digit['bbox'] == [x, y, columns.max() - x + 1, rows.max() - y + 1]
            assert digit['area'] == mask.sum() < digit['bbox'][2] * digit['bbox'][3]  # notes have round corners
            painted[mask] += digit['category_id']
        np.testing.assert_array_equal(painted, labels)


def test_the_data_set_stays_as_it_is_and_the_files_are_made_once(root):
    before = contents(root)
    build_digit_instances(root)
    after = contents(root)
    new = {'annotations/instances_train.json', 'annotations/instances_val.json'}
    assert after.keys() - before.keys() == new and all(after[name] == before[name] for name in before)
    stamps = {name: (root / name).stat().st_mtime_ns for name in new}
    build_digit_instances(root)
    assert {name: (root / name).stat().st_mtime_ns for name in new} == stamps


def test_the_tool_writes_them_where_asked(tmp_path):
    main = runpy.run_path(str(TOOL))['main']
    settings = [str(tmp_path / 'data'), '--train', '2', '--val', '1', '--size', '64']
    main(settings)
    assert not list(tmp_path.rglob('instances_*'))
    main([*settings, '--boxes'])
    assert len(list((tmp_path / 'data' / 'annotations').glob('instances_*.json'))) == 2


def test_a_missing_data_set_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing holds no complete DigitScenes'):
        build_digit_instances(tmp_path / 'nothing')


@pytest.mark.parametrize('missing', ['mmdet', 'mmcv._ext'])
def test_without_mmdet_its_data_set_says_how_to_get_it(monkeypatch, missing):
    monkeypatch.setattr(compat, 'find_spec', lambda name: None if name == missing else object())
    monkeypatch.delitem(sys.modules, 'msvit.datasets.detection', raising=False)
    with pytest.raises(ImportError, match=rf'(?s){missing} cannot be found.*make setup-det'):
        DATASETS.build(dict(type='msvit.DigitBoxesDataset', data_root='data/digit_scenes'))
