"""DigitBoxesDataset: what a detector sees of DigitScenes."""

import shutil

import numpy as np
import pytest

pytest.importorskip('mmdet.models', reason="needs mmdet and mmcv's operators: make test-det")

import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, init_default_scope

from msvit.datasets.detection import DigitBoxesDataset
from msvit.datasets.scene_painter import ScenePainter

PIPELINE = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=(128, 128)),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]


def build(root, split='val', **kwargs) -> DigitBoxesDataset:
    init_default_scope('mmdet')
    settings = dict(ann_file=f'annotations/instances_{split}.json', data_prefix=dict(img=f'images/{split}'), pipeline=PIPELINE)
    return DATASETS.build(dict(type='msvit.DigitBoxesDataset', data_root=str(root), **{**settings, **kwargs}))


@pytest.mark.parametrize('split, count', [('train', 12), ('val', 6)])
def test_samples_are_what_was_painted(digit_boxes, split, count):
    dataset = build(digit_boxes, split)
    painter = ScenePainter(split, 128, seed=3)
    assert isinstance(dataset, DigitBoxesDataset) and len(dataset) == count
    assert dataset.metainfo['classes'] == tuple('0123456789') and len(dataset.metainfo['palette']) == 10
    for index in range(count):
        scene, sample = painter.paint(index), dataset[index]['data_samples'].gt_instances
        assert sample.labels.tolist() == scene.digits
        assert [(x, y, right - x, bottom - y) for x, y, right, bottom in sample.bboxes.tensor.tolist()] == scene.boxes
        for label, mask in zip(sample.labels, sample.masks.masks, strict=True):
            assert mask.any() and (scene.mask[mask > 0] == label + 1).all()
        np.testing.assert_array_equal(sample.masks.masks.any(axis=0), scene.mask > 0)


def test_the_truth_has_an_ap_of_one_and_the_truth_moved_has_not(digit_boxes):
    dataset = build(digit_boxes, test_mode=True)
    scores = {}
    for shift in (0.0, 5.0, 100.0):
        metric = dict(type='CocoMetric', ann_file=str(digit_boxes / 'annotations/instances_val.json'), metric=['bbox', 'segm'])
        evaluator = Evaluator([metric])
        evaluator.dataset_meta = dataset.metainfo
        for index in range(len(dataset)):
            sample = dataset[index]['data_samples']
            truth = sample.gt_instances
            sample.pred_instances = truth.new(
                bboxes=truth.bboxes.tensor + shift,
                labels=truth.labels,
                scores=torch.ones(len(truth)),
                masks=torch.as_tensor(truth.masks.masks).bool(),
            )
            evaluator.process(data_samples=[sample])
        scores[shift] = evaluator.evaluate(len(dataset))
    assert all(score['coco/segm_mAP'] == pytest.approx(1, abs=1e-3) for score in scores.values())
    boxes = [score['coco/bbox_mAP'] for score in scores.values()]
    assert boxes[0] == pytest.approx(1, abs=1e-3) and 0 < boxes[1] < 0.9 and boxes[2] == 0


def test_it_is_generated_on_first_use(tmp_path):
    dataset = build(tmp_path / 'data', build=dict(train=2, val=3, size=128, seed=3))
    assert len(dataset) == 3 and dataset[0]['inputs'].shape == (3, 128, 128)
    with pytest.raises(ValueError, match='seed 3'):
        build(tmp_path / 'data', build=dict(train=2, val=3, size=128, seed=4))


def test_missing_data_are_named(digit_boxes, tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing holds no complete DigitScenes'):
        build(tmp_path / 'nothing')
    with pytest.raises(ValueError, match='needs data_root'):
        build('')
    root = shutil.copytree(digit_boxes, tmp_path / 'damaged')
    (root / 'images/val/000001.jpg').write_bytes(b'no image')
    dataset = build(root)
    assert dataset[0]['inputs'].shape == (3, 128, 128)
    with pytest.raises(OSError, match=r'cannot read .*000001\.jpg'):
        dataset[1]
