from pathlib import Path

import pytest

from msvit.images import find_images


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ('b.JPG', 'a.png', 'deeper/c.tif', 'notes.txt', 'deeper/d.csv'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'folder.png').mkdir()
    return tmp_path


def test_folders_are_searched_and_files_taken_as_they_are(folder):
    found = find_images([folder / 'notes.txt', folder, folder / 'deeper', folder / 'a.png'])
    assert found == [folder / name for name in ('notes.txt', 'a.png', 'b.JPG', 'deeper/c.tif')]


def test_pictures_of_earlier_runs_are_no_input(folder):
    assert find_images([folder / 'deeper', folder], {(folder / 'a.png').resolve()}.__contains__) == [
        folder / 'deeper/c.tif',
        folder / 'b.JPG',
    ]


@pytest.mark.parametrize(('name', 'message'), [('nowhere', 'there is no image or folder'), ('folder.png', 'holds no image')])
def test_places_without_an_image_are_named(folder, name, message):
    with pytest.raises(FileNotFoundError, match=f'{name}.*{message}' if 'holds' in message else f'{message}.*{name}'):
        find_images([folder, folder / name])
