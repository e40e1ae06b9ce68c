import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from msvit.datasets import digit_scenes
from msvit.datasets.digit_scenes import build_digit_scenes, read_manifest

SMALL = dict(train=3, val=2, size=64, seed=5)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def test_same_seed_same_bytes(tmp_path):
    one = contents(build_digit_scenes(tmp_path / 'one', **SMALL))
    two = contents(build_digit_scenes(tmp_path / 'two', **SMALL))
    assert len(one) == 2 * (3 + 2) + 5
    assert one == two
    other = contents(build_digit_scenes(tmp_path / 'other', **{**SMALL, 'seed': 6}))
    assert all(one[name] != other[name] for name in one if name.endswith('.jpg'))


def test_more_scenes_leave_the_first_ones_as_they_are(tmp_path):
    few = contents(build_digit_scenes(tmp_path / 'few', **SMALL))
    many = contents(build_digit_scenes(tmp_path / 'many', **{**SMALL, 'train': 6}))
    assert all(many[name] == few[name] for name in few if name.endswith(('.jpg', '.png')))


@pytest.mark.parametrize('split, count', [('train', 12), ('val', 6)])
def test_boxes_and_labels_agree_with_the_masks(digit_root, split, count):
    boxes = json.loads((digit_root / f'boxes_{split}.json').read_text())
    labels = json.loads((digit_root / f'labels_{split}.json').read_text())
    assert len(boxes['images']) == len(labels['data_list']) == count
    assert [category['id'] for category in boxes['categories']] == list(range(1, 11))
    assert len({annotation['id'] for annotation in boxes['annotations']}) == len(boxes['annotations'])
    for image, label in zip(boxes['images'], labels['data_list'], strict=True):
        assert image['file_name'] == label['img_path']
        assert Image.open(digit_root / 'images' / split / image['file_name']).size == (64, 64)
        mask = np.array(Image.open(digit_root / 'annotations' / split / f'{Path(image["file_name"]).stem}.png'))
        assert label['gt_label'] == [int(value) - 1 for value in np.unique(mask) if value]
        covered = np.zeros_like(mask, dtype=bool)
        for annotation in (a for a in boxes['annotations'] if a['image_id'] == image['id']):
            x, y, width, height = annotation['bbox']
            assert annotation['area'] == width * height
            assert (mask[y : y + height, x : x + width] == annotation['category_id']).any()
            covered[y : y + height, x : x + width] = True
        assert not mask[~covered].any()


def test_a_complete_root_is_reused(tmp_path, monkeypatch):
    root = build_digit_scenes(tmp_path / 'data', **SMALL)
    monkeypatch.setattr(digit_scenes, 'ScenePainter', None)  # any work would fail
    assert build_digit_scenes(root, **SMALL) == root


def test_an_interrupted_build_is_noticed_and_made_anew(tmp_path, monkeypatch, caplog):
    paint = digit_scenes.ScenePainter.paint

    def interrupted(self, index):
        if index == 2:
            raise KeyboardInterrupt
        return paint(self, index)

    root = tmp_path / 'data'
    with monkeypatch.context() as patch:
        patch.setattr(digit_scenes.ScenePainter, 'paint', interrupted)
        with pytest.raises(KeyboardInterrupt):
            build_digit_scenes(root, **SMALL)
    assert not root.exists() and list((tmp_path / 'data.partial').rglob('*.jpg'))
    build_digit_scenes(root, **SMALL)
    assert contents(root) == contents(build_digit_scenes(tmp_path / 'reference', **SMALL))
    assert not (tmp_path / 'data.partial').exists()


def test_a_root_without_manifest_is_refused_and_kept(tmp_path):
    root = build_digit_scenes(tmp_path / 'data', **SMALL)
    (root / 'manifest.json').unlink()
    before = contents(root)
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match=r'no complete DigitScenes.*manifest\.json'):
            build_digit_scenes(root, **SMALL, overwrite=overwrite)
    assert contents(root) == before


def test_other_settings_are_refused_unless_overwritten(tmp_path):
    root = build_digit_scenes(tmp_path / 'data', **SMALL)
    with pytest.raises(ValueError, match=r'seed 5 \(asked for: 9\).*--overwrite'):
        build_digit_scenes(root, **{**SMALL, 'seed': 9})
    assert read_manifest(root)['seed'] == 5
    build_digit_scenes(root, **{**SMALL, 'seed': 9}, overwrite=True)
    assert read_manifest(root)['seed'] == 9


@pytest.mark.parametrize('bad', [dict(train=0), dict(val=-1), dict(size=31), dict(seed=-1), dict(train=2.5)])
def test_bad_settings_are_named(tmp_path, bad):
    with pytest.raises(ValueError, match=rf'{next(iter(bad))} must be an integer >='):
        build_digit_scenes(tmp_path / 'data', **bad)
    assert not (tmp_path / 'data').exists()


def test_two_processes_that_start_together_build_once(tmp_path):
    context = multiprocessing.get_context('fork')
    builders = [context.Process(target=build_digit_scenes, args=(tmp_path / 'data', 20, 2, 64)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert contents(tmp_path / 'data') == contents(build_digit_scenes(tmp_path / 'alone', 20, 2, 64))
