"""Image files to convert on, without labels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..images import find_images, read_rgb

_EVERY, _MOST_TESTED = 5, 100


@dataclass(frozen=True)
class ImageSplit:
    """Which images train, and which are held back to test on.

    Args:
        training: files.
        test: files; the same ones where there are too few to hold any back.
        left_out: ``file`` and ``reason`` of those that cannot be read.
    """

    training: list[Path]
    test: list[Path]
    left_out: list[dict[str, str]]


def split_images(place: Path, out: Path, watch: Callable[[Iterable[Path]], Iterable[Path]] = iter) -> ImageSplit:
    """Find the images of a folder; a fifth of them, at most about 100, evenly drawn, is held back.

    Args:
        place: folder, searched with all below it, or a file.
        out: folder of results, whose pictures are no images to convert on.
        watch: wraps the list of files to show how far the reading is.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: none of its images can be read.
    """
    out = out.resolve()
    files, left_out = [], []
    for file in watch(find_images([place], leave_out=lambda path: out in path.parents)):
        try:
            read_rgb(file)
        except ValueError as error:
            left_out.append(dict(file=str(file), reason=str(error)))
        else:
            files.append(file.resolve())
    if not files:
        raise ValueError(f'none of the {len(left_out)} images in {place} can be read: {left_out[0]["reason"]}')
    if len(files) < 2 * _EVERY:
        return ImageSplit(files, files, left_out)
    step = max(_EVERY, len(files) // _MOST_TESTED)
    test = files[step // 2 :: step]
    return ImageSplit([file for file in files if file not in set(test)], test, left_out)
