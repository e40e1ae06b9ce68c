"""Resizing images by numpy, antialiased as Pillow does it."""

import numpy as np

from .info import Resizing

# Sides of what is cropped may differ so much.
_LONGEST_ASPECT = 4
# How far a kernel reaches, in pixels of the coarser of the two grids.
_REACH = {'bilinear': 1.0, 'bicubic': 2.0}


def resize(image: np.ndarray, shape: tuple[int, int], interpolation: str = 'bilinear') -> np.ndarray:
    """Bring an image to another size.

    Args:
        image: (H, W, C).
        shape: (height, width) in pixels.
        interpolation: ``'bilinear'`` or ``'bicubic'``; shrinking averages over all pixels.

    Returns:
        (height, width, C) float32, in the range of ``image``; rounded to whole numbers where it held those.
    """
    if image.shape[:2] == tuple(shape):
        return image.astype(np.float32)
    resized = _resize_rows(image, shape[0], interpolation)
    resized = _resize_rows(resized.swapaxes(0, 1), shape[1], interpolation).swapaxes(0, 1)
    if np.issubdtype(image.dtype, np.integer):
        # half up, as browsers can say it too
        resized = np.floor(resized.clip(np.iinfo(image.dtype).min, np.iinfo(image.dtype).max) + np.float32(0.5))
    return resized.astype(np.float32)


def _resize_rows(image: np.ndarray, target: int, interpolation: str) -> np.ndarray:
    """So many rows of so many, each from those alone that it needs: (H, W, C) -> (target, W, C) float32."""
    resized = np.empty((target, *image.shape[1:]), dtype=np.float32)
    for row, weights in enumerate(_weights(image.shape[0], target, interpolation)):
        (needed,) = weights.nonzero()
        part = slice(needed[0], needed[-1] + 1)
        resized[row] = np.tensordot(weights[part], image[part].astype(np.float32), axes=1)
    return resized


def prepare(image: np.ndarray, resizing: Resizing, max_side: int) -> np.ndarray:
    """An image at the size at which a model sees it.

    Args:
        image: (H, W, 3) uint8.
        resizing: of the model.
        max_side: longer images are shrunk to so many pixels first.

    Returns:
        (H', W', 3) float32 of whole numbers in 0..255.
    """
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    shape = scaled((height, width), scale)
    if resizing.mode == 'stretch':
        shape = resizing.size
    elif resizing.mode == 'fit':
        scale = min(max(resizing.size) / max(height, width), min(resizing.size) / min(height, width))
        shape = scaled((height, width), min(scale, max_side / max(height, width)))
    elif resizing.mode == 'crop':
        # a strip of 1 x 8000 pixels would fill the memory, and only its middle is seen
        image = _centre(image, (_LONGEST_ASPECT * width, _LONGEST_ASPECT * height))
        shape = scaled(image.shape[:2], resizing.edge / min(height, width))
        return _centre(resize(image, shape, resizing.interpolation), resizing.size)
    return resize(image, shape, resizing.interpolation)


def scaled(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Both sides times a scale, in whole pixels, at least one."""
    return max(1, int(shape[0] * scale + 0.5)), max(1, int(shape[1] * scale + 0.5))


def _centre(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, left = (max(0, (length - wanted) // 2) for length, wanted in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]


def _weights(length: int, target: int, interpolation: str) -> np.ndarray:
    """Tell how much of each of so many pixels goes into each of the resized ones, (target, length) float32."""
    scale = length / target
    stretch = max(scale, 1.0)
    centre = (np.arange(target) + 0.5) * scale
    distance = np.abs((np.arange(length) + 0.5 - centre[:, None]) / stretch)
    weights = np.where(distance < _REACH[interpolation], _kernel(distance, interpolation), 0.0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _kernel(distance: np.ndarray, interpolation: str) -> np.ndarray:
    if interpolation == 'bilinear':
        return 1 - distance
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, far)
