"""Random zooms and shifts of a scene within its frame."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..evaluate import IGNORED


@dataclass(frozen=True)
class Transform:
    """Where a frame of the image's size shows the scene.

    Args:
        zoom: > 0; 0.5 shows the whole scene at half its size, 2 its middle at twice its size.
        x: how far the middle of the scene lies right of the middle of the frame, as a share of the frame's width.
        y: how far it lies below, as a share of the frame's height.
    """

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0

    @property
    def distance(self) -> float:
        """Of the scene's middle from the frame's, in sides of the frame."""
        return math.hypot(self.x, self.y)


UNMOVED = Transform()


def draw_transforms(number: int, zoom: tuple[float, float], shift: float, seed: int = 0) -> list[Transform]:
    """Draw random transforms that cover their ranges evenly; the first one moves nothing.

    Args:
        number: how many, at least 1; more of the same seed begin with the same ones.
        zoom: least and largest, > 0; even on a logarithmic scale.
        shift: largest |x| and |y|, in [0, 0.5]: the middle of the scene stays within the frame.
        seed: of the draw.

    Raises:
        ValueError: a range is none.
    """
    low, high = zoom
    if not 0 < low <= high < math.inf:
        raise ValueError(f'zoom must be a range of positive numbers, the least first, got {low} {high}')
    if not 0 <= shift <= 0.5:
        raise ValueError(f'shift must lie in [0, 0.5], a share of the frame, got {shift}')
    # a scrambled Sobol sequence: few points cover the ranges too
    drawn = torch.quasirandom.SobolEngine(3, scramble=True, seed=seed).draw(number - 1).tolist()
    return [UNMOVED, *(Transform(low * (high / low) ** a, shift * (2 * b - 1), shift * (2 * c - 1)) for a, b, c in drawn)]


def move_images(images: Tensor, transform: Transform, fill: Tensor | float = 0.0) -> Tensor:
    """Resample images.

    Args:
        images: (B, C, H, W) float.
        transform: of all of them.
        fill: (C, 1, 1), the colour where the frame shows nothing; 0 is the mean colour of normalised images.

    Returns:
        (B, C, H, W).
    """
    if transform == UNMOVED:
        return images
    grid = _sampled_at(images, transform)
    images = images - fill  # outside, grid_sample gives 0
    if transform.zoom < 1:  # shrinks with an antialiasing filter first, for grid_sample would skip pixels
        size = [max(1, round(side * transform.zoom)) for side in images.shape[-2:]]
        images = F.interpolate(images, size=size, mode='bilinear', antialias=True)
    return F.grid_sample(images, grid, mode='bilinear', align_corners=False) + fill


def move_labels(labels: Tensor, transform: Transform) -> Tensor:
    """Resample label maps to the nearest pixel, 255 where the frame shows nothing.

    Args:
        labels: (B, H, W) class indices up to 255.
        transform: of all of them.

    Returns:
        (B, H, W), of the same type.
    """
    if transform == UNMOVED:
        return labels
    lowered = (labels.float() - IGNORED).unsqueeze(1)
    moved = F.grid_sample(lowered, _sampled_at(lowered, transform), mode='nearest', align_corners=False)
    return (moved.squeeze(1) + IGNORED).to(labels.dtype)


def _sampled_at(images: Tensor, transform: Transform) -> Tensor:
    """The place in the scene of every pixel of the frame, as grid_sample wants it: the frame is 2 wide and 2 high."""
    zoom = transform.zoom
    rows = [[1 / zoom, 0, -2 * transform.x / zoom], [0, 1 / zoom, -2 * transform.y / zoom]]
    theta = torch.tensor(rows, dtype=images.dtype, device=images.device).expand(len(images), 2, 3)
    return F.affine_grid(theta, list(images.shape), align_corners=False)
