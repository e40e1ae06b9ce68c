import numpy as np
import pytest

from msvit.datasets.scene_painter import INK, LUMA, PAPER, PHOTOGRAPHS, ScenePainter, _random_colour, load_glyphs


@pytest.mark.parametrize('split', ['train', 'val'])
def test_a_scene_depends_on_its_index_alone(split):
    one, two = ScenePainter(split, 64, seed=1), ScenePainter(split, 64, seed=1)
    two.paint(0)
    np.testing.assert_array_equal(one.paint(5).image, two.paint(5).image)
    assert (one.paint(5).image != one.paint(6).image).any()
    assert (one.paint(5).image != ScenePainter(split, 64, seed=2).paint(5).image).any()


@pytest.mark.parametrize('size', [32, 128, 160])
def test_scenes_hold_legible_digits(size):
    painter = ScenePainter('train', size, seed=0)
    low, high = round(size * 24 / 128), round(size * 44 / 128)
    for scene in map(painter.paint, range(20)):
        assert scene.image.shape == (size, size, 3) and scene.mask.shape == (size, size)
        assert 1 <= len(scene.digits) <= 3
        assert set(np.unique(scene.mask)) == {0, *(digit + 1 for digit in scene.digits)}
        assert all(low <= height == width <= high for _, _, width, height in scene.boxes)


def test_boxes_enclose_the_notes_tightly_and_do_not_overlap():
    painter = ScenePainter('val', 128, seed=0)
    for scene in map(painter.paint, range(40)):
        rest = scene.mask.copy()
        for digit, (x, y, width, height) in zip(scene.digits, scene.boxes, strict=True):
            cell = rest[y : y + height, x : x + width]
            note = cell == digit + 1
            assert cell.shape == (height, width)
            assert note[0].any() and note[-1].any() and note[:, 0].any() and note[:, -1].any()
            assert not cell[~note].any(), 'another digit reaches into the box'
            cell[:] = 0
        assert not rest.any(), 'note pixels outside the boxes'


def test_the_number_of_digits_can_be_chosen():
    painter = ScenePainter('train', 128, seed=0, digits_per_scene=(6, 9))
    numbers = {len(painter.paint(index).digits) for index in range(10)}
    assert len(numbers) > 1 and min(numbers) >= 4 and max(numbers) <= 9  # a note without a place is left out


@pytest.mark.parametrize('luminance', [PAPER, INK])
def test_colours_have_the_luminance_that_is_asked_for(luminance):
    rng = np.random.default_rng(0)
    colours = np.array([_random_colour(luminance, rng) for _ in range(200)])
    assert colours.min() >= -1e-6 and colours.max() <= 1 + 1e-6
    assert (colours @ LUMA >= luminance[0] - 1e-5).all() and (colours @ LUMA <= luminance[1] + 1e-5).all()
    assert colours.std(axis=0).min() > 0.02


def test_splits_share_neither_photographs_nor_digits():
    assert not set(PHOTOGRAPHS['train']) & set(PHOTOGRAPHS['val'])
    train, val = (load_glyphs(split, seed=7)[0].reshape(-1, 64) for split in ('train', 'val'))
    assert len(train) == 1500 and len(val) == 297
    both = np.concatenate([train, val])
    everything = np.concatenate([glyphs for glyphs in (load_glyphs('train', 0)[0], load_glyphs('val', 0)[0])]).reshape(-1, 64)
    np.testing.assert_array_equal(np.sort(both.sum(1)), np.sort(everything.sum(1)))
    assert not {glyph.tobytes() for glyph in train} & {glyph.tobytes() for glyph in val}


def test_a_missing_photograph_is_named(monkeypatch):
    monkeypatch.setitem(PHOTOGRAPHS, 'val', ('skimage/data/no_such.png',))
    with pytest.raises(FileNotFoundError, match=r'no_such\.png.*scikit-image'):
        ScenePainter('val', 64, seed=0)
