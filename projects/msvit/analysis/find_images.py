"""Image files in folders."""

from collections.abc import Callable, Sequence
from pathlib import Path

SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.ppm', '.pgm'}


def find_images(places: Sequence[Path], leave_out: Callable[[Path], bool] = lambda path: False) -> list[Path]:
    """The images in files and folders, each once.

    Args:
        places: files, which are taken whatever they are called, and folders, which are searched with all below them.
        leave_out: tells of a resolved path whether it is no input, such as a picture of an earlier run.

    Returns:
        In the order of the places, sorted within a folder.

    Raises:
        FileNotFoundError: there is no such file or folder, or one without an image.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if not place.is_dir() and not place.is_file():
            raise FileNotFoundError(f'there is no image or folder {place}')
        for path in _kept(place, [place], leave_out) if place.is_file() else images_in(place, leave_out):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def images_in(folder: Path, leave_out: Callable[[Path], bool] = lambda path: False) -> list[Path]:
    """The images in a folder and all below it, sorted; arguments as in `find_images`.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES and path.is_file())
    return _kept(folder, files, leave_out)


def _kept(place: Path, files: list[Path], leave_out: Callable[[Path], bool]) -> list[Path]:
    files = [path for path in files if not leave_out(path.resolve())]
    if not files:
        raise FileNotFoundError(f'{place} holds no image ({", ".join(sorted(SUFFIXES))})')
    return files
