"""Regions at the borders of objects, and under small ones, deserve to be fine: the lesson of a detector's boxes or masks."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_share_up_to
from .base import GateTeacher


class BoxTeacher(GateTeacher):
    """Fine where an object's border passes through a region, or a small object touches it; the most that any object asks for.

    An object that covers the share c of a region asks there for the larger of two:

    - its border: min(1, min(c, 1 - c) / ``full_share``), as `LabelTeacher` would of a map of object and background;
    - its smallness: min(1, area of a region / area of the object), wherever it touches: an object no larger than a region
      deserves fine tokens, one of four regions a quarter.

    Its pixels are those of its mask where instances have masks, else of its box. The image's own border is no object's, and
    what pads an image deserves 0. Crowds and others that OpenMMLab keeps in ``ignored_instances`` ask for nothing.

    Args:
        full_share: share of a region on the smaller side of a border from which on it deserves 1, in (0, 0.5].

    Raises:
        ValueError: ``full_share`` is out of range; a training sample has no boxes, or masks of another size than its image.
    """

    def __init__(self, full_share: float = 0.3):
        check_share_up_to('full_share', full_share, 0.5)
        self.full_share = full_share

    def targets(self, model: nn.Module, data: dict[str, Any], coarse_patch_size: int) -> Tensor:
        images, samples = data['inputs'], data['data_samples']
        if not samples or any('gt_instances' not in sample for sample in samples):
            raise ValueError(
                'BoxTeacher looks at the boxes or masks of objects (gt_instances), and the training samples have none: load '
                "annotations in the pipeline, or take a teacher that needs none, dict(type='msvit.DenseTeacher')"
            )
        padded = tuple(images.shape[-2:])
        needs = []
        for sample in samples:
            # img_shape: of the image before it was padded
            shape = tuple(sample.metainfo.get('img_shape', padded))[:2]
            pixels = _covered_pixels(sample.gt_instances, padded, coarse_patch_size, images.device)
            needs.append(border_need(pixels, shape, coarse_patch_size, self.full_share))
        return torch.stack(needs)


def border_need(pixels: Tensor, shape: tuple[int, int], region_size: int, full_share: float) -> Tensor:
    """Tell how much each region deserves to be fine, see `BoxTeacher`.

    Args:
        pixels: (N, Hc, Wc), how many pixels of a region each object covers.
        shape: (height, width) of the image, without what pads it.
        region_size: side of a region in pixels.
        full_share: see `BoxTeacher`.

    Returns:
        (Hc, Wc) float in [0, 1].
    """
    sides = (
        (side - region_size * torch.arange(regions, device=pixels.device)).clamp(0, region_size)
        for side, regions in zip(shape, pixels.shape[1:], strict=True)
    )
    whole = torch.outer(*sides).float()
    pixels = pixels.minimum(whole)
    border = pixels.minimum(whole - pixels) / whole.clamp(min=1) / full_share
    area = pixels.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    small = (region_size**2 / area).expand_as(pixels) * (pixels > 0)
    need = border.maximum(small).clamp(max=1)
    return need.amax(dim=0) if len(need) else torch.zeros_like(whole)


def _covered_pixels(instances: Any, shape: tuple[int, int], region_size: int, device: torch.device) -> Tensor:
    """(N, Hc, Wc): how many pixels of each region the objects of an image of ``shape`` cover."""
    if 'masks' in instances:
        return _pixels_of_masks(_as_tensor(instances.masks).to(device), shape, region_size)
    if 'bboxes' not in instances:
        raise ValueError('BoxTeacher looks at boxes or masks, and the instances (gt_instances) of an image have neither')
    boxes = getattr(instances.bboxes, 'tensor', instances.bboxes).to(device).float()
    left, top, right, bottom = boxes.reshape(-1, 4).unbind(dim=1)
    rows, columns = (-(-side // region_size) for side in shape)
    down, across = _overlap(top, bottom, rows, region_size), _overlap(left, right, columns, region_size)
    return down[:, :, None] * across[:, None]


def _overlap(first: Tensor, last: Tensor, regions: int, region_size: int) -> Tensor:
    """(N, regions): pixels that the spans from ``first`` to ``last``, (N,), share with each region along an axis."""
    start = region_size * torch.arange(regions, device=first.device)
    return (last[:, None].minimum(start + region_size) - first[:, None].maximum(start)).clamp(min=0)


def _as_tensor(masks: Any) -> Tensor:
    """(N, H, W) of a tensor, or of mmdet's bitmaps or polygons."""
    masks = masks.to_ndarray() if hasattr(masks, 'to_ndarray') else masks
    return torch.from_numpy(masks) if isinstance(masks, np.ndarray) else masks


def _pixels_of_masks(masks: Tensor, shape: tuple[int, int], region_size: int) -> Tensor:
    if masks.shape[-2] > shape[0] or masks.shape[-1] > shape[1]:
        raise ValueError(
            f'the masks have {tuple(masks.shape[-2:])} pixels, their padded image {shape}: they do not fit. Let the pipeline '
            'resize, crop and pad both alike'
        )
    rows, columns = (-(-side // region_size) for side in shape)
    missing = (0, columns * region_size - masks.shape[-1], 0, rows * region_size - masks.shape[-2])
    covered = F.pad(masks.bool(), missing).view(-1, rows, region_size, columns, region_size)
    return covered.sum(dim=(2, 4)).float()
