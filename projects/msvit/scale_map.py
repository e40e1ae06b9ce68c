"""Pictures of what a mixed-scale model sees and says: scale maps, segmentations, and panels of them."""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from .images import resize

MIN_SIDE, MAX_SIDE = 512, 768  # pixels: what is comfortable to look at
LUMINANCE = np.array([0.299, 0.587, 0.114])
BAND = 256  # rows
GAP, FONT_SIZES = 12, range(20, 8, -1)  # pixels


def draw_scale_map(
    image: np.ndarray,
    fine_mask: ArrayLike,
    patch_size: int,
    coarse_patch_size: int,
    input_shape: tuple[int, int] | None = None,
) -> np.ndarray:
    """Draw the tokens of an image: coarse ones as single tiles of their mean colour, fine ones as small tiles in full detail.

    Lines part the tiles, light on dark and dark on light tiles, so that the map reads in greyscale too. Small images are
    enlarged by `display_zoom`, larger ones keep their size.

    Args:
        image: (H, W, 3) uint8 RGB.
        fine_mask: (Hc, Wc), True = the region is split into fine tokens.
        patch_size: side of a fine patch, S_f, in pixels of the network's input.
        coarse_patch_size: side of a region, S_c, in the same pixels.
        input_shape: (height, width) that the network saw the image at, in pixels; None: that of ``image``.

    Returns:
        (zoom * H, zoom * W, 3) uint8 RGB.

    Raises:
        ValueError: the image is not (H, W, 3) uint8, or the mask does not cover the network's input.
    """
    _check_image(image)
    fine_mask = np.asarray(fine_mask, dtype=bool)
    height, width = input_shape or image.shape[:2]
    shape = -(-height // coarse_patch_size), -(-width // coarse_patch_size)
    if fine_mask.shape != shape:
        raise ValueError(
            f'fine_mask has shape {fine_mask.shape}; an input of {height}x{width} pixels in regions of {coarse_patch_size} '
            f'pixels needs {shape}'
        )
    image = enlarge(image)
    rows, columns = zip(image.shape[:2], (height, width), strict=True)
    regions = _cell_of_pixel(*rows, coarse_patch_size), _cell_of_pixel(*columns, coarse_patch_size)
    cells = _cell_of_pixel(*rows, patch_size), _cell_of_pixel(*columns, patch_size)
    coarse_tokens, fine_tokens = _Mosaic(image, *regions), _Mosaic(image, *cells)
    thickness = max(1, round(image.shape[1] / width * patch_size / 24))
    coarse_lines, fine_lines = _lines(*regions, thickness), _lines(*cells, thickness)
    drawn = np.empty_like(image)
    for band in _bands(image):
        fine = fine_mask[np.ix_(regions[0][band], regions[1])][..., None]
        coarse = coarse_tokens[band]
        picture = np.where(fine, image[band], coarse)
        strength = np.maximum(0.5 * coarse_lines[band], 0.4 * fine_lines[band] * fine)
        bright = np.where(fine, fine_tokens[band], coarse) @ LUMINANCE > 140
        ink = np.where(bright, 0, 255)[..., None]
        drawn[band] = _to_uint8(picture + strength * (ink - picture))
    return drawn


def draw_segmentation(
    image: np.ndarray, labels: np.ndarray, palette: ArrayLike, ignore_index: int = 255, opacity: float = 0.7
) -> np.ndarray:
    """Lay class colours over the greyscale image; ignored pixels show the image alone.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) integer class indices.
        palette: (classes, 3) RGB in 0..255.
        ignore_index: label of pixels without a class.
        opacity: of the colours, in [0, 1]; 1 hides the image.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: shapes do not fit, a label has no colour, or the opacity is out of range.
    """
    _check_image(image)
    if labels.shape != image.shape[:2]:
        raise ValueError(f'labels have shape {labels.shape}, the image {image.shape[:2]}')
    if not 0 <= opacity <= 1:
        raise ValueError(f'opacity must lie in [0, 1], got {opacity}')
    palette = np.asarray(palette)
    valid = labels != ignore_index
    labels = np.where(valid, labels, 0)
    if labels.min() < 0 or labels.max() >= len(palette):
        raise ValueError(f'labels lie in {labels.min()}..{labels.max()}, but the palette has {len(palette)} colours')
    drawn = np.empty_like(image)
    for band in _bands(image):
        grey = (image[band] @ LUMINANCE)[..., None]
        drawn[band] = _to_uint8(grey + opacity * valid[band, :, None] * (palette[labels[band]] - grey))
    return drawn


def panel(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Set pictures side by side on white, each under its title.

    Args:
        pictures: (H, W, 3) uint8 RGB each, of one height.
        titles: one for each picture; all are set in the size at which the longest fits.

    Returns:
        (H', W', 3) uint8 RGB.

    Raises:
        ValueError: there is no picture, heights differ, or the titles are not as many.
    """
    if not pictures or len(pictures) != len(titles):
        raise ValueError(f'{len(pictures)} pictures and {len(titles)} titles: one title for each of at least one picture')
    heights = {picture.shape[0] for picture in pictures}
    if len(heights) > 1:
        raise ValueError(f'pictures of one panel must have one height, got {sorted(heights)}')
    font = _font_for(titles, [picture.shape[1] for picture in pictures])
    head = GAP + round(1.6 * font.size)
    width = GAP + sum(picture.shape[1] + GAP for picture in pictures)
    sheet = Image.new('RGB', (width, head + heights.pop() + GAP), 'white')
    pen, x = ImageDraw.Draw(sheet), GAP
    for picture, title in zip(pictures, titles, strict=True):
        pen.text((x, head - round(0.4 * font.size)), title, fill=(40, 40, 40), font=font, anchor='ls')
        sheet.paste(Image.fromarray(picture), (x, head))
        x += picture.shape[1] + GAP
    return np.asarray(sheet)


def display_zoom(height: int, width: int) -> int:
    """The integer factor that brings the longer side of a small picture up to at most 512 pixels; 1 from 257 pixels on."""
    return max(1, MIN_SIDE // max(height, width))


def enlarge(image: np.ndarray) -> np.ndarray:
    """A (H, W, 3) picture enlarged by `display_zoom`."""
    height, width = image.shape[:2]
    zoom = display_zoom(height, width)
    return resize(image, (height * zoom, width * zoom))


def fit_to_display(image: np.ndarray) -> np.ndarray:
    """A (H, W, 3) picture enlarged by `display_zoom` if small, and shrunk to a longer side of 768 pixels if large."""
    height, width = image.shape[:2]
    shrink = min(1, MAX_SIDE / max(height, width))
    return enlarge(image) if shrink == 1 else resize(image, (max(1, round(shrink * height)), max(1, round(shrink * width))))


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'a picture is an (H, W, 3) uint8 array, got {image.shape} {image.dtype}')


def _cell_of_pixel(shown: int, seen: int, cell: int) -> np.ndarray:
    """The cell that each of ``shown`` pixels lies in, where the network saw ``seen`` pixels in cells of ``cell``."""
    return ((np.arange(shown) + 0.5) * seen / shown / cell).astype(int)


def _starts(cell_of_pixel: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(cell_of_pixel, prepend=-1))


class _Mosaic:
    """Each cell in its mean colour; rows of it are (rows, W, 3) float."""

    def __init__(self, image: np.ndarray, rows: np.ndarray, columns: np.ndarray):
        for axis, cell_of_pixel in enumerate((rows, columns)):
            starts = _starts(cell_of_pixel)
            sizes = np.diff(starts, append=len(cell_of_pixel))
            image = np.add.reduceat(image, starts, axis=axis, dtype=float) / np.expand_dims(sizes, (1 - axis, 2))
        self._means = image
        self._places = [np.diff(cell_of_pixel, prepend=-1).astype(bool).cumsum() - 1 for cell_of_pixel in (rows, columns)]

    def __getitem__(self, band: slice) -> np.ndarray:
        return self._means[np.ix_(self._places[0][band], self._places[1])]


def _bands(image: np.ndarray) -> Iterator[slice]:
    """Rows that are drawn at once: the numbers behind a photograph of 48 megapixels would take gigabytes."""
    return (slice(start, start + BAND) for start in range(0, len(image), BAND))


def _lines(rows: np.ndarray, columns: np.ndarray, thickness: int) -> np.ndarray:
    """(H, W, 1) bool, True on the first pixels of every cell but those along the picture's edge."""
    on_row, on_column = (
        np.isin(np.arange(len(cell_of_pixel)), np.add.outer(_starts(cell_of_pixel)[1:], np.arange(thickness)))
        for cell_of_pixel in (rows, columns)
    )
    return (on_row[:, None] | on_column)[..., None]


def _to_uint8(picture: np.ndarray) -> np.ndarray:
    return picture.round().clip(0, 255).astype(np.uint8)


def _font_for(titles: Sequence[str], widths: Sequence[int]) -> ImageFont.FreeTypeFont:
    """The largest font in which every title fits over its picture, or the smallest one."""
    for size in FONT_SIZES:
        if all(_font(size).getlength(title) <= width for title, width in zip(titles, widths, strict=True)):
            return _font(size)
    return _font(FONT_SIZES[-1])


def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
