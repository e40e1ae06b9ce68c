import pytest
import torch

from msvit.necks import SimpleFeaturePyramid
from msvit.registry import MODELS


@pytest.mark.parametrize(
    ('options', 'shapes'),
    [
        ({}, [(20, 28), (10, 14), (5, 7), (3, 4)]),
        (dict(num_outs=6), [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2), (1, 1)]),
        (dict(scales=(2, 1)), [(10, 14), (5, 7)]),
    ],
)
def test_levels(options, shapes):
    neck = MODELS.build(dict(type='msvit.SimpleFeaturePyramid', in_channels=16, out_channels=8, **options))
    maps = neck((torch.randn(2, 3, 1, 1), torch.randn(2, 16, 5, 7)))
    assert [tuple(level.shape) for level in maps] == [(2, 8, *shape) for shape in shapes]
    sum(level.square().sum() for level in maps).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in neck.parameters())


@pytest.mark.parametrize('mixed', [False, True])
@pytest.mark.parametrize('layout', ['masked', 'packed'])
def test_maps_of_backbones_and_levels_are_contiguous(tiny_msvit, tiny_msswin, layout, mixed):
    """mmcv's operators take the memory of a map as contiguous: RoIAlign reads any other in silence, and wrongly."""
    images, gate = torch.randn(2, 3, 64, 64), dict(type='msvit.MLPGate', hidden_dims=(8,)) if mixed else None
    maps = tiny_msvit(img_size=64, layout=layout, gate=gate)(images)
    pyramid = SimpleFeaturePyramid(32, 8)(maps)
    for level in (*maps, *pyramid, *tiny_msswin(layout=layout, gate=gate)(images)):
        assert level.is_contiguous()


def test_levels_answer_to_their_own_place():
    """A cell of every level sees the cells of the input below it, and their neighbours."""
    neck = SimpleFeaturePyramid(8, 4)
    x = torch.randn(1, 8, 9, 9, requires_grad=True)
    reach = [(4, 4), (4, 5), (3, 5), (2, 7)]  # rows below the 3x3 cells around the place
    for level, place, (first, last) in zip(neck((x,)), (18, 9, 4, 2), reach, strict=True):
        (gradient,) = torch.autograd.grad(level[0, :, place, place].norm(), x)
        for seen in gradient.abs().sum(dim=(0, 1)).nonzero().T:
            assert first <= seen.min() <= seen.max() <= last
            assert seen.max() - seen.min() >= (last - first) // 2


@pytest.mark.parametrize('options', [dict(scales=(3,)), dict(scales=()), dict(num_outs=3)])
def test_impossible_levels_are_refused(options):
    with pytest.raises(ValueError, match='scales'):
        SimpleFeaturePyramid(8, 4, **options)


def test_tokens_are_refused():
    with pytest.raises(TypeError, match="out_type='featmap'"):
        SimpleFeaturePyramid(8, 4)((torch.zeros(2, 5, 8),))
