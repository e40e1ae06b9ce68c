"""A data set of a few generated pictures in the layout of CamVid and Clothing Co-Parsing, to rehearse trainings on."""

from pathlib import Path

import numpy as np
from PIL import Image


def make_tiny_data(root: Path, classes: int, size: tuple[int, int], train: int = 4, val: int = 2) -> Path:
    """Write pictures of rectangles, each class of another colour.

    Args:
        root: of the data set, which is made.
        classes: of the labels.
        size: width and height in pixels.
        train: pictures to train on.
        val: pictures to test on.

    Returns:
        ``root``.
    """
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (classes, 3), dtype=np.uint8)
    width, height = size
    for split, count in dict(train=train, val=val).items():
        for folder in ('images', 'annotations'):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            labels = np.zeros((height, width), dtype=np.uint8)
            for label in range(1, classes):
                top, left = rng.integers(0, height), rng.integers(0, width)
                labels[top : top + height // 4, left : left + width // 4] = label
            Image.fromarray(colours[labels]).save(root / 'images' / split / f'{number}.jpg')
            Image.fromarray(labels).save(root / 'annotations' / split / f'{number}.png')
    return root
