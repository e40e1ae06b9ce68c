"""Image files: finding them, reading them as plain RGB, and resizing pictures."""

import io
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.ppm', '.pgm'}
UINT16_MAX = 65535


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


def read_rgb(path: str | PathLike, content: bytes | None = None) -> np.ndarray:
    """Read an image file as people see it: turned upright by its EXIF tag, 16 bits scaled to 8, transparency laid on white.

    Args:
        path: file of any format that Pillow knows; of several frames the first is read.
        content: of the file, where it has been fetched already.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the file is no image, is damaged or truncated, or holds pixels without a known range; says which file.
    """
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as file:
            return np.asarray(_to_rgb(ImageOps.exif_transpose(file)))
    except Exception as error:  # damaged files raise nearly anything: OSError, SyntaxError, ValueError, struct.error...
        raise ValueError(f'{path} cannot be read: {error or type(error).__name__}') from error


def resize(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A (H, W, 3) uint8 picture smoothly, or (H, W) uint8 labels by the nearest pixel, at another (height, width)."""
    height, width = shape
    if picture.shape[:2] == (height, width):
        return picture
    method = Image.Resampling.BICUBIC if picture.ndim == 3 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize((width, height), method))


def shrunk(image: np.ndarray, max_side: int) -> np.ndarray:
    """An (H, W, 3) uint8 image, smaller if a side is longer than so many pixels."""
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    return image if scale >= 1 else resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))


def _kept(place: Path, files: list[Path], leave_out: Callable[[Path], bool]) -> list[Path]:
    files = [path for path in files if not leave_out(path.resolve())]
    if not files:
        raise FileNotFoundError(f'{place} holds no image ({", ".join(sorted(SUFFIXES))})')
    return files


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(('I', 'F')):
        pixels = np.asarray(image)
        if image.mode == 'F' or pixels.min() < 0 or pixels.max() > UINT16_MAX:
            raise ValueError(f'its pixels ({pixels.dtype}) have no known range: convert it to 8 or 16 bits')
        image = Image.fromarray((pixels / UINT16_MAX * 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return image if image.mode == 'RGB' else image.convert('RGB')  # which copies
