"""Regions that mix classes deserve to be fine: the lesson of a label map."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_count, check_share_up_to, is_count
from .base import GateTeacher


class LabelTeacher(GateTeacher):
    """Fine as far as a region mixes classes: min(1, share of the minority classes / ``full_share``).

    How much matters, not whether: under a plain yes or no, as CTS's policy learns it, small things rank like any border.

    Args:
        full_share: share of a region's pixels outside its most frequent class from which on it deserves 1, in (0, 1].
        ignore_index: label of pixels without a class.
        objects: indices of classes that deserve fine tokens inside too, not at their borders alone: what is told apart by its
            detail, such as digits or faces. Their share of a region's pixels counts like that of the minority.

    Raises:
        ValueError: ``full_share`` is out of range, or ``objects`` are no indices; a training sample has no label map, or one
            of another size.
    """

    def __init__(self, full_share: float = 0.3, ignore_index: int = 255, objects: Sequence[int] = ()):
        check_share_up_to('full_share', full_share, 1)
        check_count('ignore_index', ignore_index, least=-1)
        if not isinstance(objects, Sequence) or not all(is_count(index) for index in objects):
            raise ValueError(f'objects must be class indices, got {objects!r}')
        self.full_share, self.ignore_index, self.objects = full_share, ignore_index, tuple(objects)

    def targets(self, model: nn.Module, data: dict[str, Any], coarse_patch_size: int) -> Tensor:
        samples = data['data_samples']
        if not samples or any('gt_sem_seg' not in sample for sample in samples):
            raise ValueError(
                'LabelTeacher looks at label maps (gt_sem_seg), and the training samples have none: load annotations in the '
                "pipeline, or take a teacher that needs none, dict(type='msvit.DenseTeacher')"
            )
        size = tuple(data['inputs'].shape[-2:])
        for sample in samples:
            if sample.gt_sem_seg.shape != size:
                raise ValueError(
                    f'the label map has {tuple(sample.gt_sem_seg.shape)} pixels, its image {size}: they do not fit. Let the '
                    'pipeline and the data preprocessor resize, crop and pad both alike'
                )
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
        share = minority_share(labels, coarse_patch_size, self.ignore_index)
        if self.objects:
            within = torch.isin(labels, torch.tensor(self.objects, device=labels.device)).float()
            objects = F.avg_pool2d(within, coarse_patch_size, ceil_mode=True)  # at the border, of the pixels that there are
            share = share.maximum(objects)
        return (share / self.full_share).clamp(max=1)


def minority_share(labels: Tensor, region_size: int, ignore_index: int = 255) -> Tensor:
    """Share of a region's labelled pixels that lie outside its most frequent class.

    Args:
        labels: (B, H, W) int, class indices.
        region_size: side of a region in pixels; regions at the border may be smaller.
        ignore_index: of pixels without a class.

    Returns:
        (B, ceil(H / region_size), ceil(W / region_size)) float in [0, 1); NaN where a region has no labelled pixel.
    """
    batch, height, width = labels.shape
    pad = (0, -width % region_size, 0, -height % region_size)
    labels = F.pad(labels.long(), pad, value=ignore_index)
    rows, columns = labels.shape[1] // region_size, labels.shape[2] // region_size
    region = torch.arange(batch * rows * columns, device=labels.device).view(batch, rows, 1, columns, 1)
    region = region.expand(-1, -1, region_size, -1, region_size).reshape(labels.shape)
    known = labels != ignore_index
    classes = int(labels.where(known, 0).max()) + 1
    votes = torch.bincount(region[known] * classes + labels[known], minlength=batch * rows * columns * classes)
    votes = votes.view(batch, rows, columns, classes).float()
    total = votes.sum(dim=-1)
    return (1 - votes.amax(dim=-1) / total).where(total > 0, torch.nan)
