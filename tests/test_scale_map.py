"""Pictures of scales: tiles where tokens are, at any size of image."""

import numpy as np
import pytest

from msvit.images import resize
from msvit.scale_map import display_zoom, draw_scale_map, draw_segmentation, fit_to_display, panel


@pytest.fixture
def noise():
    """A function that returns a noisy picture of a height and a width."""
    rng = np.random.default_rng(0)
    return lambda height, width: rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def inside(top: int, left: int, size: int, margin: int = 2) -> tuple[slice, slice]:
    """The pixels of a square without those along its edges, where lines may be."""
    return slice(top + margin, top + size - margin), slice(left + margin, left + size - margin)


def test_coarse_regions_are_flat_and_fine_regions_keep_every_pixel(noise):
    image = noise(320, 320)  # not enlarged
    fine_mask = np.zeros((10, 10), dtype=bool)
    fine_mask[2, 3] = True
    picture = draw_scale_map(image, fine_mask, 16, 32)
    assert picture.shape == image.shape and picture.dtype == np.uint8
    coarse = picture[inside(0, 32, 32)]
    assert (coarse == coarse[0, 0]).all()
    assert np.abs(coarse[0, 0] - image[:32, 32:64].mean((0, 1))).max() <= 0.5
    for top, left in ((64, 96), (64, 112), (80, 96), (80, 112)):
        assert (picture[inside(top, left, 16)] == image[inside(top, left, 16)]).all()


@pytest.mark.parametrize(('value', 'lighter'), [(20, True), (128, True), (150, False), (250, False)])
def test_one_line_parts_coarse_tokens_and_a_cross_divides_fine_regions(value, lighter):
    image = np.full((320, 320, 3), value, dtype=np.uint8)
    fine_mask = np.zeros((10, 10), dtype=bool)
    fine_mask[:, 5:] = True
    picture = draw_scale_map(image, fine_mask, 16, 32).astype(int)
    drawn = (picture != value).all(axis=-1)
    assert np.flatnonzero(drawn[8, :160]).tolist() == [32, 64, 96, 128]
    assert np.flatnonzero(drawn[8, 160:]).tolist() == list(range(0, 160, 16))
    assert ((picture[drawn] > value) == lighter).all()


@pytest.mark.parametrize(('shape', 'mask_shape'), [((50, 33), (4, 3)), ((16, 16), (1, 1)), ((5, 7), (1, 1)), ((1, 1), (1, 1))])
def test_sizes_that_regions_do_not_divide(noise, shape, mask_shape):
    image, zoom = noise(*shape), display_zoom(*shape)
    for fine in (True, False):
        picture = draw_scale_map(image, np.full(mask_shape, fine), 8, 16)
        assert picture.shape == (zoom * shape[0], zoom * shape[1], 3)


def test_cells_follow_the_image_when_the_network_saw_it_at_another_size():
    image = np.full((360, 480, 3), 40, dtype=np.uint8)
    picture = draw_scale_map(image, np.zeros((11, 15)), 16, 32, input_shape=(352, 480))
    rows = np.flatnonzero((picture[:, 5] != 40).all(axis=-1))
    assert np.allclose(rows, np.arange(1, 11) * 32 * 360 / 352, atol=1)
    assert np.flatnonzero((picture[5] != 40).all(axis=-1)).tolist() == list(range(32, 480, 32))


def test_a_region_of_three_by_three_fine_cells():
    picture = draw_scale_map(np.full((480, 480, 3), 40, dtype=np.uint8), np.ones((10, 10)), 16, 48)
    assert np.flatnonzero((picture[5] != 40).all(axis=-1)).tolist() == list(range(16, 480, 16))


@pytest.mark.parametrize(
    ('image', 'mask_shape', 'message'),
    [
        (
            np.zeros((64, 64, 3), np.uint8),
            (2, 3),
            r'\(2, 3\); an input of 64x64 pixels in .* needs \(2, 2\)',
        ),
        (np.zeros((64, 64), np.uint8), (2, 2), r'got \(64, 64\) uint8'),
        (np.zeros((64, 64, 3)), (2, 2), 'float64'),
    ],
)
def test_wrong_arrays_are_named(image, mask_shape, message):
    with pytest.raises(ValueError, match=message):
        draw_scale_map(image, np.ones(mask_shape), 16, 32)


@pytest.mark.parametrize(('size', 'zoom'), [((128, 128), 4), ((128, 200), 2), ((257, 9), 1), ((900, 900), 1), ((3, 1), 170)])
def test_small_pictures_are_enlarged_by_whole_numbers(size, zoom):
    assert display_zoom(*size) == zoom


@pytest.mark.parametrize(('size', 'shown'), [((128, 64), (512, 256)), ((600, 300), (600, 300)), ((3072, 1536), (768, 384))])
def test_pictures_are_fitted_to_the_display(noise, size, shown):
    assert fit_to_display(noise(*size)).shape == (*shown, 3)


def test_segmentation_shows_class_colours_and_leaves_ignored_pixels_grey(noise):
    image = noise(2, 3)
    labels = np.array([[0, 1, 255], [1, 1, 0]])
    palette = [[10, 20, 30], [200, 100, 0]]
    opaque = draw_segmentation(image, labels, palette, opacity=1)
    assert opaque[0, 0].tolist() == palette[0] and opaque[1, 1].tolist() == palette[1]
    assert len(set(opaque[0, 2].tolist())) == 1
    clear = draw_segmentation(image, labels, palette, opacity=0)
    assert (clear == clear[..., :1]).all() and (clear[0, 2] == opaque[0, 2]).all()


@pytest.mark.parametrize(
    ('labels', 'opacity', 'message'),
    [
        (np.zeros((3, 3), int), 0.5, 'labels have shape'),
        (np.full((2, 2), 7), 0.5, 'palette has 2 colours'),
        (np.full((2, 2), -1), 0.5, r'labels lie in -1\.\.'),
        (np.zeros((2, 2), int), 1.5, 'opacity'),
    ],
)
def test_wrong_segmentations_are_named(labels, opacity, message):
    with pytest.raises(ValueError, match=message):
        draw_segmentation(np.zeros((2, 2, 3), np.uint8), labels, [[0, 0, 0], [9, 9, 9]], opacity=opacity)


def test_a_panel_holds_every_picture_unchanged_under_its_title(noise):
    pictures = [noise(100, 150), noise(100, 120), noise(100, 80)]
    sheet = panel(pictures, ['image', 'scale map', 'prediction'])
    head, x = sheet.shape[0] - 100 - 12, 12
    for picture in pictures:
        width = picture.shape[1]
        assert (sheet[head : head + 100, x : x + width] == picture).all()
        assert sheet[:head, x : x + width].min() < 100  # the title
        x += width + 12
    assert x == sheet.shape[1]


@pytest.mark.parametrize('width', [400, 60, 20])
def test_titles_stay_over_their_pictures_where_they_can(width):
    sheet = panel([np.zeros((50, width, 3), np.uint8)] * 2, ['a long title'] * 2)
    gap = sheet[: sheet.shape[0] - 62, 12 + width : 24 + width]
    assert (gap.min() == 255) == (width > 20)


@pytest.mark.parametrize(
    ('heights', 'titles', 'message'),
    [([], [], '0 pictures'), ([5, 5], ['one'], '2 pictures and 1 titles'), ([5, 6], ['a', 'b'], r'one height, got \[5, 6\]')],
)
def test_pictures_that_make_no_panel_are_refused(heights, titles, message):
    with pytest.raises(ValueError, match=message):
        panel([np.zeros((height, 5, 3), np.uint8) for height in heights], titles)


def test_labels_are_resized_without_new_classes():
    labels = np.array([[0, 9], [200, 70000]], dtype=np.int32)
    assert set(np.unique(resize(labels, (7, 5)))) == set(labels.flat)
