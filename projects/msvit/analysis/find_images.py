"""Image files in folders."""

from collections.abc import Container, Sequence
from pathlib import Path

SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.ppm', '.pgm'}


def find_images(places: Sequence[Path], leave_out: Container[Path] = ()) -> list[Path]:
    """The images in files and folders, each once.

    Args:
        places: files, which are taken whatever they are called, and folders, which are searched with all below them.
        leave_out: resolved paths that are no input, such as pictures of an earlier run.

    Returns:
        In the order of the places, sorted within a folder.

    Raises:
        FileNotFoundError: there is no such file or folder, or a folder without an image.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if not place.is_dir() and not place.is_file():
            raise FileNotFoundError(f'there is no image or folder {place}')
        files = [place] if place.is_file() else sorted(path for path in place.rglob('*') if path.suffix.lower() in SUFFIXES)
        files = [path for path in files if path.is_file() and path.resolve() not in leave_out]
        if not files:
            raise FileNotFoundError(f'{place} holds no image ({", ".join(sorted(SUFFIXES))})')
        for path in files:
            found.setdefault(path.resolve(), path)
    return list(found.values())
