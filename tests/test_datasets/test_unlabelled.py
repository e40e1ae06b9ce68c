"""Image files as samples without labels."""

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from msvit.datasets import UnlabelledImages


@pytest.fixture
def listed(tmp_path):
    """A list of two images: 6x4 pixels of red, and one that is 40 times as wide as high."""
    Image.new('RGB', (6, 4), (200, 10, 20)).save(tmp_path / 'red.png')
    Image.new('L', (400, 10), 7).save(tmp_path / 'wide.png')
    file = tmp_path / 'images.txt'
    file.write_text(f'{tmp_path / "red.png"}\n{tmp_path / "wide.png"}\n')
    return file


def test_pixels_come_in_the_wanted_order_and_size(listed):
    dataset = UnlabelledImages(ann_file=str(listed), max_side=100)
    red, wide = dataset[0], dataset[1]
    assert len(dataset) == 2 and red['img'][0, 0].tolist() == [20, 10, 200]
    assert UnlabelledImages(ann_file=str(listed), bgr=False)[0]['img'][0, 0].tolist() == [200, 10, 20]
    assert red['img_shape'] == red['ori_shape'] == (4, 6) and wide['img'].shape == (2, 100, 3)


def test_a_label_map_goes_through_the_steps_of_segmentation(listed):
    init_default_scope('mmseg')
    steps = [dict(type='RandomCrop', crop_size=(4, 4), cat_max_ratio=0.75), dict(type='PackSegInputs')]
    dataset = DATASETS.build(dict(type='msvit.UnlabelledImages', ann_file=str(listed), label_map=True, pipeline=steps))
    labels = dataset[0]['data_samples'].gt_sem_seg.data
    assert labels.shape == (1, 4, 4) and np.all(labels.numpy() == 255)


def test_nothing_is_listed(tmp_path):
    with pytest.raises(FileNotFoundError, match='lists no images'):
        UnlabelledImages(ann_file=str(tmp_path / 'images.txt'))


def test_a_file_that_has_gone_is_named(listed, tmp_path):
    (tmp_path / 'red.png').unlink()
    with pytest.raises(ValueError, match=r'red\.png cannot be read'):
        UnlabelledImages(ann_file=str(listed))[0]
