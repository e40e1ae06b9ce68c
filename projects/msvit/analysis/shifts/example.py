"""One image under a few transforms, as both gates see it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...engine.run_gate import PixelFormat, find_pixel_format
from ...scale_map import draw_scale_map, enlarge
from ..model import AnalysedModel
from ..samples import Sample
from .transform import UNMOVED, Transform, move_images


@dataclass(frozen=True)
class Example:
    """A moved image.

    Args:
        transform: that moved it.
        image: (H, W, 3) uint8 RGB.
        scale_maps: of the learned and of the fixed gate, (H, W, 3) uint8 RGB each.
        fine: their shares of fine regions, in [0, 1].
    """

    transform: Transform
    image: np.ndarray
    scale_maps: tuple[np.ndarray, np.ndarray]
    fine: tuple[float, float]


def choose_examples(transforms: Sequence[Transform], number: int = 5) -> list[Transform]:
    """The telling ones, each once: unmoved, the smallest, the farthest shift, the largest, then those that come first."""
    moved = [transform for transform in transforms if transform != UNMOVED]
    if not moved:
        return [UNMOVED]
    smallest, largest = (pick(moved, key=lambda transform: transform.zoom) for pick in (min, max))
    farthest = max(moved, key=lambda transform: transform.distance)
    return list(dict.fromkeys((UNMOVED, smallest, farthest, largest, *moved)))[:number]


@torch.inference_mode()
def show_example(
    learned: AnalysedModel, fixed: AnalysedModel, sample: Sample, transform: Transform, fill: Tensor | float = 0.0
) -> Example:
    """Move an image, and let both gates decide on the whole of it.

    Args:
        learned: with the learned gate; the sample is its input.
        fixed: with the fixed gate.
        sample: with the picture to show.
        transform: see there.
        fill: see `move_images`.
    """
    inputs = move_images(sample.inputs, transform, fill)
    masks = [model.backbone.decide(inputs).fine_mask[0].cpu().numpy() for model in (learned, fixed)]
    image = _moved_picture(sample, transform, fill, find_pixel_format(learned.cfg))
    maps = [
        draw_scale_map(image, mask, model.backbone.patch_size, model.backbone.coarse_patch_size)
        for model, mask in zip((learned, fixed), masks, strict=True)
    ]
    return Example(transform, enlarge(image), tuple(maps), tuple(float(mask.mean()) for mask in masks))


def _moved_picture(sample: Sample, transform: Transform, fill: Tensor | float, pixels: PixelFormat | None) -> np.ndarray:
    """The picture of what the network sees, padding included."""
    mean, std = pixels.normalization if pixels else ((0.0,) * 3, (1.0,) * 3)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    picture = (torch.from_numpy(sample.image.copy()).permute(2, 0, 1).float() - mean) / std
    height, width = (wide - side for wide, side in zip(sample.inputs.shape[-2:], picture.shape[-2:], strict=True))
    fill = fill.cpu() if isinstance(fill, Tensor) else fill
    moved = move_images(F.pad(picture, (0, width, 0, height))[None], transform, fill)[0] * std + mean
    return moved.permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
