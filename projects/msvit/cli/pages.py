"""Pictures of many images: several pages."""

from collections.abc import Callable
from pathlib import Path


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
