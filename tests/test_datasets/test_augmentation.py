"""The faster augmentations against mmseg's: the same random numbers, the same pixels."""

import cv2
import numpy as np
import pytest
from mmcv.transforms.utils import cache_random_params
from mmseg.datasets import transforms as mmseg

from msvit.datasets import PhotoMetricDistortion, RandomCrop

SEEDS = range(40)
IGNORED = 255


def image(height: int, width: int, dtype=np.uint8) -> np.ndarray:
    """Random colours, in patches as photographs have them."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 2 + 1, width // 2 + 1, 3), np.uint8)
    return cv2.resize(coarse, (width, height)).astype(dtype)


def label_map(height: int, width: int, values: list[int]) -> np.ndarray:
    """Patches of the values, the first of them the most common by far."""
    weights = np.array([2 * len(values), *[1] * (len(values) - 1)])
    coarse = np.random.default_rng(1).choice(values, (height // 9 + 1, width // 9 + 1), p=weights / weights.sum())
    return cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)


def run(transform, sample: dict, seed: int) -> tuple[dict, float]:
    """What a transform makes of a sample, and the number that the generator would give next."""
    np.random.seed(seed)
    results = transform(dict(sample))  # no deep copy, which would make whole arrays of views
    return results, np.random.rand()


def same(ours: tuple[dict, float], theirs: tuple[dict, float]) -> bool:
    """Whether two runs agree in every array, its dtype, the shape and the state of the generator."""
    arrays = [(ours[0][key], theirs[0][key]) for key in theirs[0] if isinstance(theirs[0][key], np.ndarray)]
    equal = all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)
    return equal and ours[0]['img'].shape == theirs[0]['img'].shape and ours[1] == theirs[1]


LABELS = {
    'of two classes': [0, 1],
    'of one class': [3],
    'ignored': [IGNORED],
    'of one class and ignored': [3, IGNORED],
    'mostly ignored': [IGNORED, 0, 7, 254],
    'of all values': [*range(256)],
}


@pytest.mark.parametrize('crop_size', [(20, 31), (37, 53), (64, 30), (80, 90), 1], ids=str)
@pytest.mark.parametrize('values', LABELS.values(), ids=LABELS)
@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
def test_the_crops_are_mmsegs(crop_size, values, dtype):
    sample = dict(img=image(37, 53), gt_seg_map=label_map(37, 53, values).astype(dtype), seg_fields=['gt_seg_map'])
    for limits in [dict(cat_max_ratio=0.75), dict(cat_max_ratio=0.6, ignore_index=7), dict(ignore_index=-100), dict()]:
        ours, theirs = RandomCrop(crop_size, **limits), mmseg.RandomCrop(crop_size, **limits)
        assert all(same(run(ours, sample, seed), run(theirs, sample, seed)) for seed in SEEDS)


def test_the_share_of_a_class_decides():
    """The comparisons would say nothing where mmseg keeps its first crop, or never one of the later."""
    sample = dict(img=image(37, 53), gt_seg_map=label_map(37, 53, [0, 1, 2]), seg_fields=['gt_seg_map'])
    any_crop, mixed = mmseg.RandomCrop((20, 31)), mmseg.RandomCrop((20, 31), cat_max_ratio=0.75)
    agree = [same(run(any_crop, sample, seed), run(mixed, sample, seed)) for seed in SEEDS]
    assert 0 < sum(agree) < len(SEEDS)


def test_a_share_on_the_limit_is_too_much():
    labels = np.tile(np.array([4, 4, 4, 5], np.uint8), (6, 3))  # 3/4 of each crop of width 4
    sample = dict(img=image(*labels.shape), gt_seg_map=labels, seg_fields=['gt_seg_map'])
    ends = []
    for limit in (0.75, 0.76):
        ours, theirs = (run(make((4, 4), limit), sample, 0) for make in (RandomCrop, mmseg.RandomCrop))
        assert same(ours, theirs)
        ends.append(ours[1])
    assert ends[0] != ends[1]


def test_crops_are_shared_where_mmcv_caches_them():
    sample = dict(img=image(37, 53), gt_seg_map=label_map(37, 53, [0, 1, 2]), seg_fields=['gt_seg_map'])
    for transform in (RandomCrop((9, 9), cat_max_ratio=0.75), mmseg.RandomCrop((9, 9), cat_max_ratio=0.75)):
        with cache_random_params(transform):
            first, second = (transform(dict(sample))['img'] for _ in range(2))
        assert np.array_equal(first, second)


VIEWS = {
    'whole': lambda img: img,
    'a crop': lambda img: img[3:-2, 1:-4],
    'flipped': lambda img: img[:, ::-1],
    'a crop flipped': lambda img: img[3:-2, 1:-4][:, ::-1],
    'upside down': lambda img: img[::-1],
}


@pytest.mark.parametrize('view', VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('options', [{}, dict(brightness_delta=90, contrast_range=(0.1, 3), hue_delta=90)], ids=str)
def test_the_colours_are_mmsegs(view, dtype, options):
    sample = dict(img=view(image(37, 53, dtype)))
    ours, theirs = PhotoMetricDistortion(**options), mmseg.PhotoMetricDistortion(**options)
    pairs = [(run(ours, sample, seed), run(theirs, sample, seed)) for seed in SEEDS]
    assert all(same(*pair) for pair in pairs)
    assert any(not np.array_equal(pair[0][0]['img'], sample['img']) for pair in pairs)


@pytest.mark.parametrize('alpha', [0.5, 1, 1.37])
@pytest.mark.parametrize('beta', [-31.9, 0, 17.3])
@pytest.mark.parametrize('shape', [(16, 16), (16, 16, 1), (4, 4, 16)], ids=str)
def test_every_value_becomes_what_mmseg_makes_of_it(alpha, beta, shape):
    values = np.arange(256, dtype=np.uint8).reshape(shape)
    ours, theirs = (make().convert(values, alpha, beta) for make in (PhotoMetricDistortion, mmseg.PhotoMetricDistortion))
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and np.array_equal(ours, theirs)
