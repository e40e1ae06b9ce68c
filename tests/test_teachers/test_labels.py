"""What label maps teach a gate."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from msvit.teachers import LabelTeacher, minority_share


def draw_labels(seed: int, height: int, width: int, classes: int = 3, unknown: float = 0.2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (2, height, width), generator=generator)
    return labels.where(torch.rand(labels.shape, generator=generator) >= unknown, 255)


def plain_share(labels: torch.Tensor, size: int, ignore_index: int = 255) -> torch.Tensor:
    """A loop over regions."""
    rows, columns = (-(-side // size) for side in labels.shape[1:])
    shares = torch.full((len(labels), rows, columns), torch.nan)
    for b, row, column in ((b, i, j) for b in range(len(labels)) for i in range(rows) for j in range(columns)):
        region = labels[b, row * size : row * size + size, column * size : column * size + size].flatten().tolist()
        counts = Counter(label for label in region if label != ignore_index)
        if counts:
            shares[b, row, column] = 1 - max(counts.values()) / sum(counts.values())
    return shares


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    size=st.integers(1, 9),
    unknown=st.sampled_from([0.0, 0.3, 0.95, 1.1]),
)
def test_agrees_with_a_loop(seed, height, width, size, unknown):
    labels = draw_labels(seed, height, width, unknown=unknown)
    torch.testing.assert_close(minority_share(labels, size), plain_share(labels, size), equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(5)))
def test_the_names_of_classes_do_not_matter(seed, order):
    labels = draw_labels(seed, 16, 24, classes=5)
    renamed = torch.tensor([*order, *range(5, 256)])[labels]
    assert torch.equal(minority_share(renamed, 8).nan_to_num(-1), minority_share(labels, 8).nan_to_num(-1))


@pytest.mark.parametrize('ignore_index', [-1, 0, 255])
def test_pixels_without_a_class_do_not_vote(ignore_index):
    labels = torch.tensor([[[1, 1, 2, 7], [1, 7, 7, 7]]])
    labels = labels.where(labels != 7, ignore_index)
    assert minority_share(labels, 2, ignore_index).tolist() == [[[0.0, 0.0]]]


def test_labels_of_one_byte():
    labels = draw_labels(3, 16, 16)
    assert torch.equal(minority_share(labels.to(torch.uint8), 4).nan_to_num(-1), minority_share(labels, 4).nan_to_num(-1))


def batch_of(labels: torch.Tensor, size: tuple[int, int] | None = None) -> dict:
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]
    return dict(inputs=torch.zeros(len(labels), 3, *(size or labels.shape[1:])), data_samples=samples)


def test_graded_up_to_the_full_share():
    labels = torch.zeros(1, 4, 12, dtype=torch.long)
    labels[0, 0, 4:8] = 1  # a quarter
    labels[0, :2, 8:] = 1  # a half
    for full_share, wanted in ((0.5, [0, 0.5, 1]), (0.25, [0, 1, 1]), (1.0, [0, 0.25, 0.5])):
        assert LabelTeacher(full_share).targets(torch.nn.Identity(), batch_of(labels), 4)[0, 0].tolist() == wanted


def test_a_region_of_unknown_pixels_is_not_known():
    labels = draw_labels(0, 20, 12)
    labels[0, :8, :8] = 255
    given = LabelTeacher().targets(torch.nn.Identity(), batch_of(labels), 8)
    assert given.shape == (2, 3, 2)
    assert given.isnan().nonzero().tolist() == [[0, 0, 0]]
    assert ((given >= 0) & (given <= 1) | given.isnan()).all()


def test_another_label_may_be_the_one_to_ignore():
    labels = torch.tensor([[[0, 0, 1, 1]] * 4])
    assert LabelTeacher(ignore_index=1).targets(torch.nn.Identity(), batch_of(labels), 4).tolist() == [[[0.0]]]


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (dict(inputs=torch.zeros(1, 3, 8, 8), data_samples=[SegDataSample()]), r'gt_sem_seg.*msvit.DenseTeacher'),
        (dict(inputs=torch.zeros(1, 3, 8, 8), data_samples=None), r'gt_sem_seg.*load annotations'),
        (batch_of(torch.zeros(1, 8, 8), size=(8, 9)), r'the label map has \(8, 8\) pixels, its image \(8, 9\)'),
    ],
    ids=['no labels', 'no samples', 'another size'],
)
def test_batches_that_teach_nothing(data, message):
    with pytest.raises(ValueError, match=message):
        LabelTeacher().targets(torch.nn.Identity(), data, 4)


@pytest.mark.parametrize('full_share', [0, -0.1, 1.1])
def test_a_share_out_of_range(full_share):
    with pytest.raises(ValueError, match=r'full_share must lie in \(0, 1\]'):
        LabelTeacher(full_share)


def lesson(labels: torch.Tensor, **options) -> list:
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels[None]))]
    data = dict(inputs=torch.zeros(1, 3, *labels.shape), data_samples=samples)
    return LabelTeacher(full_share=0.5, **options).targets(None, data, 2)[0].tolist()


def test_objects_are_fine_inside_too():
    """Regions of 2x2 pixels: pure background, one pixel of four an object, pure object; at the border half a region."""
    labels = torch.tensor([[0, 0, 0, 3, 3, 3, 3], [0, 0, 0, 0, 3, 3, 3]])
    assert lesson(labels) == [[0, 0.5, 0, 0]]
    assert lesson(labels, objects=(3, 4)) == [[0, 0.5, 1, 1]]
    assert lesson(labels, objects=(4,)) == [[0, 0.5, 0, 0]]


def test_objects_are_classes():
    with pytest.raises(ValueError, match='objects must be class indices, got'):
        LabelTeacher(objects=(-0.5,))
