"""A trained gate, directly applied to images of another data set and size (section D, figure 12)."""

from typing import NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import mark_boundaries
from skimage.util import img_as_ubyte

from ..gates import LearnedGate, Normalization
from ..images import resize
from ..scale_map import GAP, draw_scale_map
from ..tokens import pad_to_multiple
from .input_size import pair

MAX_ASPECT = 4  # of the input: a strip of pixels must not become a band of gigabytes
MIN_REGION, MIN_CELL = 20, 6  # pixels of a region and of a fine patch on the picture, below which lines would hide it
FADE = 0.7
INK, TICKS = (40, 40, 40), (0.0, 0.25, 0.5, 0.75, 1.0)
# From black to pale yellow, lightness growing evenly: reads in greyscale and with colour-blind eyes.
COLOURS = (colormaps['inferno'](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)


class GatedImage(NamedTuple):
    """An image as a gate saw it, and what the gate said.

    Args:
        image: (H, W, 3) uint8 RGB, at the size of the input.
        p_fine: (Hc, Wc) float in [0, 1].
        fine_mask: (Hc, Wc) bool.
    """

    image: np.ndarray
    p_fine: np.ndarray
    fine_mask: np.ndarray


def input_shape(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """(height, width) with a shorter side of ``size`` pixels, or the longer of four times that for very long images: as mmseg
    resizes ADE20K."""
    scale = min(size / min(shape), MAX_ASPECT * size / max(shape))
    return pair([max(1, round(side * scale)) for side in shape])


@torch.no_grad()
def apply_gate(gate: LearnedGate, normalization: Normalization, image: np.ndarray, size: int) -> GatedImage:
    """Decide for every region of an image.

    Args:
        gate: in evaluation mode.
        normalization: that its pixels had in training.
        image: (H, W, 3) uint8 RGB, of any size.
        size: the shorter side of the input in pixels, see `input_shape`; it is padded to whole regions as hosts do.
    """
    image = resize(image, input_shape(image.shape[:2], size))
    mean, std = (torch.tensor(values) for values in normalization)
    pixels = (torch.from_numpy(np.array(image)).float() - mean) / std
    p_fine, fine_mask = gate(pad_to_multiple(pixels.permute(2, 0, 1)[None], gate.coarse_patch_size))
    return GatedImage(image, p_fine[0].numpy(), fine_mask[0].numpy())


def draw_scales(
    shown: np.ndarray, fine_mask: np.ndarray, seen: tuple[int, int], coarse_patch_size: int, patch_size: int
) -> np.ndarray:
    """A scale map, or what `fade_coarse` shows where regions are small on the picture.

    Args:
        shown: (H, W, 3) uint8 RGB.
        fine_mask: (Hc, Wc) bool.
        seen: (height, width) of the network's input in pixels.
        coarse_patch_size: in pixels of the input.
        patch_size: of fine tokens, in the same pixels.

    Returns:
        (H', W', 3) uint8 RGB, larger than ``shown`` where that is small.
    """
    zoom = shown.shape[1] / seen[1]
    if coarse_patch_size * zoom < MIN_REGION:
        return fade_coarse(shown, fine_mask, seen, coarse_patch_size)
    lines = patch_size if patch_size * zoom >= MIN_CELL else coarse_patch_size
    return draw_scale_map(shown, fine_mask, lines, coarse_patch_size, seen)


def fade_coarse(image: np.ndarray, fine_mask: np.ndarray, seen: tuple[int, int], coarse_patch_size: int) -> np.ndarray:
    """Draw a scale map whose regions are too small on the picture for lines between tokens: coarse ones faded, a line around
    the fine ones.

    Args:
        image: (H, W, 3) uint8 RGB, as shown.
        fine_mask: (Hc, Wc) bool.
        seen: (height, width) of the network's input in pixels.
        coarse_patch_size: in pixels of the input.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    fine = _spread(fine_mask, seen, coarse_patch_size, image.shape[:2])
    faded = np.where(fine[..., None], image, image + FADE * (255.0 - image)) / 255
    colour = [ink / 255 for ink in INK]
    return img_as_ubyte(mark_boundaries(faded, (~fine).astype(int), color=colour, mode='inner'))  # fine ones keep their pixels


def heat_map(p_fine: np.ndarray, seen: tuple[int, int], coarse_patch_size: int, shown: tuple[int, int]) -> np.ndarray:
    """p_fine in colours, each region a tile.

    Args:
        p_fine: (Hc, Wc) in [0, 1].
        seen: (height, width) of the network's input in pixels.
        coarse_patch_size: in pixels of the input.
        shown: (height, width) of the picture in pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return _spread(COLOURS[(p_fine * 255).round().astype(int)], seen, coarse_patch_size, shown)


def colour_scale(threshold: float | None = None) -> Image.Image:
    """The colours of p_fine from 0 to 1, with the threshold marked where there is one."""
    font = ImageFont.load_default(14)
    left, length, thickness = GAP + 60, 400, 16
    picture = Image.new('RGB', (left + length + 40, thickness + 40), 'white')
    pen = ImageDraw.Draw(picture)
    pen.text((GAP, thickness), 'p_fine', fill=INK, font=font, anchor='ls')
    picture.paste(Image.fromarray(COLOURS[None]).resize((length, thickness)), (left, 2))
    for tick in TICKS:
        pen.text((left + tick * length, thickness + 8), f'{tick:g}', fill=INK, font=font, anchor='mt')
    if threshold is not None:
        x = left + threshold * length
        pen.polygon([(x, thickness - 6), (x - 6, thickness + 4), (x + 6, thickness + 4)], fill='white', outline='black')
    return picture


def _spread(regions: np.ndarray, seen: tuple[int, int], coarse_patch_size: int, shown: tuple[int, int]) -> np.ndarray:
    """The value of the region that each pixel of a picture lies in."""
    cells = [
        ((np.arange(pixels) + 0.5) * of / pixels / coarse_patch_size).astype(int)
        for pixels, of in zip(shown, seen, strict=True)
    ]
    return regions[np.ix_(*cells)]
