"""Names of classes written into a segmentation, so that it reads without colours."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

FONT = ImageFont.load_default(13)
HEIGHT = 15  # pixels of a line


def write_names(picture: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Write a class's name into each of its areas that has room for it, where it lies deepest inside.

    Args:
        picture: (H, W, 3) uint8 RGB.
        labels: (H, W) class indices; areas of others than ``0 <= label < len(names)`` stay as they are.
        names: of the classes.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for index in map(int, np.unique(labels)):
        if not 0 <= index < len(names):
            continue
        mask = labels == index
        size = HEIGHT, round(FONT.getlength(names[index])) + 4
        roomy = np.asarray(ndimage.minimum_filter(mask, size, mode='constant'), dtype=bool)
        if not roomy.any():
            continue
        depth = np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1] * roomy
        areas, _ = cast('tuple[np.ndarray, int]', ndimage.label(mask))
        boxes = ndimage.find_objects(areas)
        for area in np.unique(areas[roomy]):
            box = boxes[area - 1]
            inside = depth[box] * (areas[box] == area)
            y, x = np.unravel_index(inside.argmax(), inside.shape)
            place = x + box[1].start, y + box[0].start
            pen.text(place, names[index], fill='white', font=FONT, anchor='mm', stroke_width=2, stroke_fill='#222222')
    return np.asarray(image)
