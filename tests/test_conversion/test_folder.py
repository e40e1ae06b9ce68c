"""The folder of a conversion: begun, resumed, overwritten."""

from pathlib import Path

import pytest

from msvit.conversion.folder import ConversionFolder

SETTINGS = dict(model=dict(width=(3, 4)), iters=5)


@pytest.fixture
def begun(tmp_path) -> ConversionFolder:
    """A folder in which a conversion has left everything, beside a file of somebody else."""
    folder = ConversionFolder(tmp_path / 'out')
    folder.begin(SETTINGS, resume=False, overwrite=False)
    results = (folder.config, folder.checkpoint, folder.figures, folder.scales, folder.curve)
    logs = (folder.training / 'iter_5.pth', folder.training / 'last_checkpoint', folder.training / 'log.txt')
    for file in (*results, *logs, folder.path / 'notes.txt'):
        file.write_text('something')
    return folder


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


def test_a_conversion_is_not_overwritten_unasked(begun):
    before = names(begun.path)
    with pytest.raises(FileExistsError, match='--resume to go on with it, or --overwrite to begin anew'):
        begun.begin(SETTINGS, resume=False, overwrite=False)
    assert names(begun.path) == before


def test_resume_wants_the_same_settings(begun):
    begun.begin(SETTINGS, resume=True, overwrite=False)
    with pytest.raises(ValueError, match=r'other settings \(iters, seed\)'):
        begun.begin({**SETTINGS, 'iters': 6, 'seed': 1}, resume=True, overwrite=False)
    begun.settings.unlink()
    with pytest.raises(ValueError, match='does not tell how its conversion was begun'):
        begun.begin(SETTINGS, resume=True, overwrite=False)


def test_overwriting_removes_the_conversion_alone(begun):
    begun.begin({**SETTINGS, 'iters': 6}, resume=False, overwrite=True)
    assert names(begun.path) == {'notes.txt', 'training'} and names(begun.training) == {'settings.json'}
    begun.begin({**SETTINGS, 'iters': 6}, resume=True, overwrite=False)


def test_a_folder_that_is_somebody_elses_stays(tmp_path):
    (tmp_path / 'training').mkdir()
    (tmp_path / 'training' / 'mine.pth').write_text('something')
    folder = ConversionFolder(tmp_path)
    folder.figures.write_text('{}')
    folder.begin(SETTINGS, resume=False, overwrite=True)
    assert names(tmp_path / 'training') == {'mine.pth', 'settings.json'} and not folder.figures.exists()


def test_resume_where_nothing_was_begun_begins(tmp_path):
    folder = ConversionFolder(tmp_path / 'deep' / 'out')
    folder.begin(SETTINGS, resume=True, overwrite=False)
    assert folder.settings.is_file()


def test_checkpoints_of_the_training_go_logs_stay(begun):
    begun.forget_training()
    assert names(begun.training) == {'settings.json', 'log.txt'}
