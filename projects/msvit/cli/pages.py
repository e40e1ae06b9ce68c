"""Pictures of many images: several pages."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

Row = TypeVar('Row')


class Pages(Generic[Row]):
    """Pages that are written as soon as they are full.

    Args:
        picture: the first page; ``NAME_2.png`` and on follow.
        images: that there may be.
        per_page: rows of a page, one for each image.
        draw: a page of rows as (H, W, 3) uint8 RGB.
    """

    def __init__(self, picture: Path, images: int, per_page: int, draw: Callable[[list[Row]], np.ndarray]):
        self.paths = pages_of(picture, images, per_page)
        self.written: list[Path] = []
        self._rows: list[Row] = []
        self._per_page, self._draw = per_page, draw

    def add(self, row: Row) -> None:
        """Add an image, and write the page that it fills."""
        self._rows.append(row)
        if len(self._rows) == self._per_page:
            self.flush()

    def flush(self) -> None:
        """Write what the last page has."""
        if not self._rows:
            return
        path = self.paths[len(self.written)]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self._draw(self._rows)).save(path)
        self.written.append(path)
        self._rows = []


def pages_of(picture: Path, images: int, per_page: int) -> list[Path]:
    """The picture itself, and ``NAME_2.png`` and on for those that follow it."""
    count = max(1, -(-images // per_page))
    return [picture, *(picture.with_name(f'{picture.stem}_{number}.png') for number in range(2, count + 1))]


def own_pages(picture: Path | None) -> Callable[[Path], bool]:
    """Tells of a resolved path whether it is a page of an earlier run, and so no input."""
    if picture is None:
        return lambda path: False
    following = (page for page in picture.parent.glob(f'{picture.stem}_*.png') if page.stem[len(picture.stem) + 1 :].isdigit())
    return {page.resolve() for page in (picture, *following)}.__contains__
