"""The lesson of boxes and masks as mmdet holds them, and as its preprocessor pads them."""

import numpy as np
import pytest
import torch

pytest.importorskip('mmdet.models', reason="needs mmdet and mmcv's operators: make test-det")

from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from msvit.teachers import BoxTeacher

BOX, SHAPE = (4, 4, 40, 24), (40, 56)  # the preprocessor pads to 64 x 64


def instances_of(form: str) -> InstanceData:
    left, top, right, bottom = BOX
    bitmap = np.zeros((1, *SHAPE), dtype=np.uint8)
    bitmap[0, top:bottom, left:right] = 1
    outline = np.array([left, top, right, top, right, bottom, left, bottom], dtype=np.float32)
    boxes = torch.tensor([BOX], dtype=torch.float32)
    fields = dict(bboxes=boxes if form == 'tensor' else HorizontalBoxes(boxes), labels=torch.zeros(1, dtype=torch.long))
    if form == 'bitmaps':
        fields['masks'] = BitmapMasks(bitmap, *SHAPE)
    elif form == 'polygons':
        fields['masks'] = PolygonMasks([[outline]], *SHAPE)
    return InstanceData(**fields)


@pytest.mark.parametrize('form', ['tensor', 'boxes', 'bitmaps', 'polygons'])
def test_all_forms_teach_the_same(form):
    sample = DetDataSample(metainfo=dict(img_shape=SHAPE, ori_shape=SHAPE, scale_factor=(1.0, 1.0)))
    sample.gt_instances = instances_of(form)
    preprocessor = DetDataPreprocessor(pad_size_divisor=32, pad_mask=True, boxtype2tensor=form == 'tensor')
    data = preprocessor(dict(inputs=[torch.zeros(3, *SHAPE, dtype=torch.uint8)], data_samples=[sample]), training=True)
    assert data['inputs'].shape == (1, 3, 64, 64)
    need = BoxTeacher().targets(torch.nn.Identity(), data, 16)
    by_border = 64 / 256 / 0.3  # a quarter of these regions is the object's, or is not
    expected = torch.tensor([[1, by_border, 1, 0], [1, 1, by_border, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    # a rasterised polygon differs from its box by a row of pixels
    torch.testing.assert_close(need, expected[None], atol=0.3 if form == 'polygons' else 1e-5, rtol=0)
