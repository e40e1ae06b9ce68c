"""Images without labels: which train, which are held back."""

import pytest
from PIL import Image

from msvit.conversion.images import split_images


def photos(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new('RGB', (2, 2)).save(folder / f'{number:04}.png')
    return folder


@pytest.mark.parametrize(('count', 'training', 'test'), [(1, 1, 1), (9, 9, 9), (10, 8, 2), (103, 82, 21), (1250, 1146, 104)])
def test_a_fifth_is_held_back_and_about_a_hundred_at_most(tmp_path, count, training, test):
    split = split_images(photos(tmp_path / 'photos', count), tmp_path / 'out')
    assert (len(split.training), len(split.test)) == (training, test)
    assert len({*split.training, *split.test}) == count and split.left_out == []


def test_pictures_of_a_conversion_within_are_left_out(tmp_path):
    folder = photos(tmp_path / 'photos', 3)
    photos(folder / 'out', 2)
    photos(folder / 'outdoors', 1)
    assert len(split_images(folder, folder / 'out').training) == 4


def test_broken_files_are_named(tmp_path):
    folder = photos(tmp_path / 'photos', 3)
    (folder / 'broken.jpg').write_text('no image')
    split = split_images(folder, tmp_path / 'out')
    assert len(split.training) == 3
    (one,) = split.left_out
    assert one['file'].endswith('broken.jpg') and 'cannot be read' in one['reason']


def test_nothing_to_convert_on(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no image or folder'):
        split_images(tmp_path / 'photos', tmp_path / 'out')
    (tmp_path / 'photos').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no image'):
        split_images(tmp_path / 'photos', tmp_path / 'out')
    (tmp_path / 'photos' / 'broken.jpg').write_text('no image')
    with pytest.raises(ValueError, match='none of the 1 images'):
        split_images(tmp_path / 'photos', tmp_path / 'out')
