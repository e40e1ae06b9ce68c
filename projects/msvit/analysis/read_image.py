"""Image files of every kind as plain RGB."""

import io
from os import PathLike

import numpy as np
from PIL import Image, ImageOps

UINT16_MAX = 65535


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


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(('I', 'F')):
        pixels = np.asarray(image)
        if image.mode == 'F' or pixels.min() < 0 or pixels.max() > UINT16_MAX:
            raise ValueError(f'its pixels ({pixels.dtype}) have no known range: convert it to 8 or 16 bits')
        image = Image.fromarray((pixels / UINT16_MAX * 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return image.convert('RGB')
