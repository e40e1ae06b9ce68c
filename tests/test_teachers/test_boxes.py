"""What the boxes and masks of objects teach a gate."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample

from msvit.teachers import BoxTeacher

SIZE = 8  # of a region


def targets(*instances: InstanceData, shape: tuple[int, int] = (32, 32), img_shape=None, full_share: float = 0.25):
    samples = [DataSample(metainfo=dict(img_shape=img_shape or shape)) for _ in instances]
    for sample, one in zip(samples, instances, strict=True):
        sample.gt_instances = one
    data = dict(inputs=torch.zeros(len(samples), 3, *shape), data_samples=samples)
    return BoxTeacher(full_share).targets(torch.nn.Identity(), data, SIZE)


def boxes(*given: tuple[float, ...]) -> InstanceData:
    return InstanceData(bboxes=torch.tensor(given, dtype=torch.float32).reshape(-1, 4))


def masks_of(instances: InstanceData, shape: tuple[int, int]) -> np.ndarray:
    masks = np.zeros((len(instances), *shape), dtype=np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, instances.bboxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    return masks


def test_a_border_through_a_region_and_none_within_or_without():
    need = targets(boxes((0, 0, 28, 24)))[0]
    small = 64 / (28 * 24)
    assert need[:3, :3].unique().tolist() == pytest.approx([small])  # wholly covered
    assert need[:3, 3].tolist() == [1, 1, 1]  # half covered
    assert (need[3] == 0).all()  # the border is theirs, and nothing of the object


def test_the_need_grows_with_the_share_of_the_smaller_side():
    need = targets(boxes((0, 0, 16, 64)), boxes((0, 0, 17, 64)), boxes((0, 0, 18, 64)), boxes((0, 0, 23, 64)), shape=(64, 64))
    assert need[:, 0, 2].tolist() == pytest.approx([0, 0.5, 1, 0.5])


def test_a_small_object_is_worth_the_regions_that_it_touches():
    need = targets(boxes((9, 9, 10, 10)), boxes((7, 9, 9, 10)), boxes((0, 0, 16, 16)))
    assert need[0].nonzero().tolist() == [[1, 1]] and need[0].max() == 1
    assert need[1].nonzero().tolist() == [[1, 0], [1, 1]] and need[1].sum() == 2
    assert need[2, :2, :2].unique().tolist() == [0.25] and need[2].sum() == 1


def test_the_most_that_any_object_asks_for():
    one, other = (0, 0, 16, 16), (2, 2, 3, 3)
    both = targets(boxes(one, other))
    assert torch.equal(both, targets(boxes(one)).maximum(targets(boxes(other))))


def test_no_object_deserves_nothing():
    assert (targets(boxes(), InstanceData(masks=torch.zeros(0, 32, 32), bboxes=torch.zeros(0, 4))) == 0).all()


def test_neither_does_what_pads_an_image_nor_is_the_images_border_one():
    need = targets(boxes((0, 0, 20, 20)), shape=(40, 40), img_shape=(20, 20))[0]
    assert need.shape == (5, 5)
    assert need[:3, :3].unique().tolist() == pytest.approx([64 / 400])
    assert (need[3:] == 0).all() and (need[:, 3:] == 0).all()


def test_images_that_regions_do_not_divide():
    assert targets(boxes((0, 0, 30, 21)), shape=(21, 30)).shape == (1, 3, 4)


def test_boxes_beyond_the_image_are_cut():
    assert torch.equal(targets(boxes((-9, -9, 50, 12))), targets(boxes((0, 0, 32, 12))))


def test_crowds_ask_for_nothing():
    sample = DataSample(metainfo=dict(img_shape=(32, 32)))
    sample.gt_instances, sample.ignored_instances = boxes(), boxes((0, 0, 12, 12))
    data = dict(inputs=torch.zeros(1, 3, 32, 32), data_samples=[sample])
    assert (BoxTeacher().targets(torch.nn.Identity(), data, SIZE) == 0).all()


whole_boxes = st.tuples(*[st.integers(0, 24)] * 2, *[st.integers(1, 16)] * 2).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], 30), min(box[1] + box[3], 30))
)


@settings(max_examples=50, deadline=None)
@given(given_boxes=st.lists(whole_boxes, min_size=1, max_size=4), size=st.sampled_from([(32, 32), (30, 31)]))
def test_boxes_and_their_masks_say_the_same(given_boxes, size):
    by_box = boxes(*given_boxes)
    by_mask = InstanceData(bboxes=by_box.bboxes, masks=masks_of(by_box, size))
    expected = targets(by_box, shape=size)
    torch.testing.assert_close(targets(by_mask, shape=size), expected)
    assert ((expected >= 0) & (expected <= 1)).all()


def test_masks_tell_more_than_boxes():
    mask = torch.eye(32, dtype=torch.bool)[None]
    need = targets(InstanceData(bboxes=torch.tensor([[0.0, 0, 32, 32]]), masks=mask))[0]
    assert torch.equal(need > 0, torch.eye(4, dtype=torch.bool))


@pytest.mark.parametrize('form', ['array', 'tensor', 'bitmaps', 'boxes of mmdet'])
def test_the_forms_of_openmmlab(form):
    plain = boxes((3, 3, 20, 20))
    masks = masks_of(plain, (32, 32))
    instances = dict(
        array=InstanceData(masks=masks),
        tensor=InstanceData(masks=torch.from_numpy(masks)),
        bitmaps=SimpleNamespace(to_ndarray=lambda: masks),
    ).get(form)
    if form == 'bitmaps':
        instances = _Instances(masks=instances)
    if form == 'boxes of mmdet':
        instances = _Instances(bboxes=SimpleNamespace(tensor=plain.bboxes))
    torch.testing.assert_close(targets(instances), targets(plain))


class _Instances(dict):
    """Instances whose fields InstanceData would not take without mmdet."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda sample: None, r'BoxTeacher looks at .*gt_instances.*msvit.DenseTeacher'),
        (lambda sample: setattr(sample, 'gt_instances', InstanceData(labels=torch.zeros(1))), 'have neither'),
        (
            lambda sample: setattr(sample, 'gt_instances', InstanceData(masks=torch.zeros(1, 40, 32))),
            r'masks have \(40, 32\) pixels, their padded image \(32, 32\)',
        ),
    ],
)
def test_samples_that_teach_nothing(change, message):
    sample = DataSample(metainfo=dict(img_shape=(32, 32)))
    change(sample)
    with pytest.raises(ValueError, match=message):
        BoxTeacher().targets(torch.nn.Identity(), dict(inputs=torch.zeros(1, 3, 32, 32), data_samples=[sample]), SIZE)


@pytest.mark.parametrize('full_share', [0, -0.1, 0.6])
def test_a_share_out_of_range(full_share):
    with pytest.raises(ValueError, match=r'full_share must lie in \(0, 0.5\]'):
        BoxTeacher(full_share)
