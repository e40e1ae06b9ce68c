"""RaggedEncoderDecoder: mmseg's EncoderDecoder with sliding windows in one batch and labels without full-size scores."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from torch import Tensor

from ..checks import check_flag, is_count

# Enlarged together: few enough to stay near the caches, enough to pay for the comparison after each group. A multiple of 16.
CLASSES_AT_ONCE = 16

Window = tuple[slice, slice]  # rows, columns


class RaggedEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder``, the same predictions in less time and memory.

    Sliding windows of all images run as one batch, which a mixed-scale backbone in the packed layout turns into one ragged
    row of tokens. Labels come from a running maximum over small groups of classes, each enlarged to the image just before it
    is compared, so that (num_classes, H, W) scores never exist. Heads with a ``predict`` of their own, and binary heads with
    one output channel, make their labels mmseg's way.

    Args:
        *args: as mmseg's ``EncoderDecoder``.
        keep_logits: store ``seg_logits`` in the results as mmseg does, and so compute them at full size. Off by default:
            metrics, hooks and visualisers read the labels alone, while the scores of 150 classes on a 2-megapixel photo take
            1.2 GB. mmseg's ``SegTTAModel`` averages scores and needs it.
        max_windows: crops that run at once in sliding inference, at least 1: it bounds the memory that large photos take.
            None: all of the batch.
        **kwargs: as mmseg's ``EncoderDecoder``.

    Raises:
        ValueError: ``max_windows`` is no number of windows, or ``keep_logits`` no bool.
    """

    test_cfg: dict[str, Any]

    def __init__(self, *args: Any, keep_logits: bool = False, max_windows: int | None = 16, **kwargs: Any):
        super().__init__(*args, **kwargs)
        check_flag('keep_logits', keep_logits)
        if max_windows is not None and not is_count(max_windows, 1):
            raise ValueError(f'max_windows must be None (all windows at once) or at least 1, got {max_windows!r}')
        self.keep_logits, self.max_windows = keep_logits, max_windows

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Sequence[SegDataSample]:
        """Labels of images.

        Args:
            inputs: (B, 3, H, W), preprocessed.
            data_samples: one for each image; their metainfo says how to undo padding, flip and resizing. None: the labels
                have the size of the inputs.

        Returns:
            The data samples (new ones if there were none) with ``pred_sem_seg`` (1, H, W) at ``ori_shape``, and with
            ``seg_logits`` (num_classes, H, W) if ``keep_logits``.

        Raises:
            ValueError: ``test_cfg`` names an unknown mode or windows that miss pixels, or the metainfo an unknown flip.
        """
        if self.keep_logits:
            return super().predict(inputs, data_samples)
        if not self._enlarges_late or self.out_channels == 1:
            samples = super().predict(inputs, data_samples)
            for sample in samples:
                del sample.seg_logits
            return samples
        size = inputs.shape[2:]
        samples = [SegDataSample() for _ in inputs] if data_samples is None else data_samples
        metas = [dict(img_shape=size)] * len(inputs) if data_samples is None else [sample.metainfo for sample in samples]
        with torch.no_grad():
            for sample, groups in zip(samples, self._grouped_scores(inputs, metas), strict=True):
                if data_samples is not None:
                    groups = _restored(groups, sample.metainfo, self.align_corners)
                sample.set_data(dict(pred_sem_seg=PixelData(data=grouped_argmax(groups))))
        return samples

    def slide_inference(self, inputs: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """Mean scores of overlapping windows that run as one batch, or ``max_windows`` at a time.

        Args:
            inputs: (B, 3, H, W).
            batch_img_metas: metainfo of each image, left as it is.

        Returns:
            (B, out_channels, H, W).

        Raises:
            ValueError: the windows of ``test_cfg`` miss pixels.
        """
        windows, cover = self._windows(inputs)
        metas = _window_metas(batch_img_metas, windows)
        total = inputs.new_zeros(len(inputs), self.out_channels, *inputs.shape[2:])
        places = product(windows, range(len(inputs)))
        for (window, image), scores in zip(places, self._window_scores(inputs, metas, windows), strict=True):
            total[(image, ..., *window)] += self._enlarge(scores, metas)[0]
        return total / cover

    @property
    def _enlarges_late(self) -> bool:
        """Whether the head is known to do nothing to its scores but enlarge them, class by class."""
        head = type(self.decode_head)
        return head.predict is BaseDecodeHead.predict and head.predict_by_feat is BaseDecodeHead.predict_by_feat

    def _scores(self, images: Tensor, metas: Sequence[dict[str, Any]]) -> Tensor:
        features = self.extract_feat(images)
        if self._enlarges_late:
            return self.decode_head(features)
        return self.decode_head.predict(features, metas, self.test_cfg)

    def _enlarge(self, scores: Tensor, metas: Sequence[dict[str, Any]]) -> Tensor:
        return self.decode_head.predict_by_feat(scores, metas) if self._enlarges_late else scores

    def _grouped_scores(self, inputs: Tensor, metas: Sequence[dict[str, Any]]) -> Iterator[Iterator[Tensor]]:
        """For each image its scores at the size of the input, a group of classes (1, G, H, W) after the other."""
        mode = self.test_cfg.get('mode', 'whole')
        if mode not in ('whole', 'slide'):
            raise ValueError(f"test_cfg.mode must be 'whole' or 'slide', got {mode!r}")
        if mode == 'whole':
            for scores in self._scores(inputs, metas).split(1):
                yield (self._enlarge(group, metas) for group in _class_groups(scores))
            return
        windows, cover = self._windows(inputs)
        metas = _window_metas(metas, windows)
        scores = list(self._window_scores(inputs, metas, windows))
        for image in range(len(inputs)):
            yield self._averaged_groups(scores[image :: len(inputs)], metas, windows, cover)

    def _averaged_groups(
        self, scores: Sequence[Tensor], metas: Sequence[dict[str, Any]], windows: Sequence[Window], cover: Tensor
    ) -> Iterator[Tensor]:
        """The mean of one image's windows, a group of classes after the other."""
        for group in zip(*map(_class_groups, scores), strict=True):
            total = cover.new_zeros(1, group[0].shape[1], *cover.shape)
            for window, part in zip(windows, group, strict=True):
                total[(..., *window)] += self._enlarge(part, metas)
            yield total.div_(cover)

    def _window_scores(self, inputs: Tensor, metas: Sequence[dict[str, Any]], windows: Sequence[Window]) -> Iterator[Tensor]:
        """Tell what the head says of each window, (1, C, h, w), the first window of every image first."""
        # images innermost: the i-th of B images keeps the places i, i + B, ... that mmseg's loop gives it
        places = list(product(windows, range(len(inputs))))
        step = self.max_windows or len(places)
        for start in range(0, len(places), step):
            chunk = places[start : start + step]
            crops = torch.stack([inputs[(image, ..., *window)] for window, image in chunk])
            yield from self._scores(crops, [metas[image] for _, image in chunk]).split(1)

    def _windows(self, inputs: Tensor) -> tuple[list[Window], Tensor]:
        """The windows in mmseg's order, and (H, W) how many of them hold each pixel."""
        crop, stride = self.test_cfg['crop_size'], self.test_cfg['stride']
        rows, columns = sides = tuple(map(_spans, inputs.shape[2:], crop, stride))
        windows = list(product(rows, columns))
        cover = inputs.new_zeros(inputs.shape[2:])
        for window in windows:
            cover[window] += 1
        if any(later.start > earlier.stop for spans in sides for earlier, later in pairwise(spans)):
            raise ValueError(
                f'test_cfg.stride {tuple(stride)} leaves pixels out of all windows of crop_size {tuple(crop)}: make the '
                'stride no larger than the crop'
            )
        return windows, cover


def grouped_argmax(groups: Iterable[Tensor]) -> Tensor:
    """``argmax`` over classes that come in groups: the lowest index wins a tie, the first NaN wins over all.

    Args:
        groups: (1, G, H, W) scores of one group of classes after the other.

    Returns:
        (1, H, W) int64.

    Raises:
        ValueError: there are no groups.
    """
    groups = iter(groups)
    group = next(groups, None)
    if group is None:
        raise ValueError('grouped_argmax needs at least one group of classes')
    best, labels = group.max(dim=1)
    first = group.shape[1]
    for group in groups:
        scores, winners = group.max(dim=1)
        better = (scores <= best).logical_not_().logical_and_(best == best)
        best = torch.where(better, scores, best)
        labels = torch.where(better, winners.add_(first), labels)
        first += group.shape[1]
    return labels


def _class_groups(scores: Tensor) -> tuple[Tensor, ...]:
    """(1, C, h, w) in groups of classes that ``interpolate`` rounds as it would round all together: that depends on the
    memory format, on a place inside or behind the last full vector of 16 channels, and on having less than 4 of them."""
    cuts = range(CLASSES_AT_ONCE, scores.shape[1] - 3, CLASSES_AT_ONCE)
    groups = scores.tensor_split(tuple(cuts), dim=1)
    if scores.is_contiguous(memory_format=torch.channels_last):
        return tuple(group.contiguous(memory_format=torch.channels_last) for group in groups)
    return groups


def _restored(groups: Iterable[Tensor], meta: dict[str, Any], align_corners: bool) -> Iterator[Tensor]:
    """Padding cut off, the flip undone and the size of the file again, as ``BaseSegmentor.postprocess_result`` does it."""
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))
    axis = {'horizontal': 3, 'vertical': 2}.get(str(meta.get('flip_direction'))) if meta.get('flip') else None
    if meta.get('flip') and axis is None:
        raise ValueError(f"flip_direction must be 'horizontal' or 'vertical', got {meta.get('flip_direction')!r}")
    for group in groups:
        height, width = group.shape[2:]
        group = group[..., top : height - bottom, left : width - right]
        group = group if axis is None else group.flip(axis)
        if group.shape[2:] != tuple(meta['ori_shape']):
            group = resize(group, meta['ori_shape'], mode='bilinear', align_corners=align_corners, warning=False)
        yield group


def _spans(length: int, crop: int, stride: int) -> list[slice]:
    """Tell where windows lie along one side: the last is shifted back into the image, a short image has one smaller window."""
    count = max(length - crop + stride - 1, 0) // stride + 1
    ends = [min(i * stride + crop, length) for i in range(count)]
    return [slice(max(end - crop, 0), end) for end in ends]


def _window_metas(metas: Sequence[dict[str, Any]], windows: Sequence[Window]) -> list[dict[str, Any]]:
    """Copies that give heads the size of a window, which all windows share, for that of the image."""
    size = torch.Size(side.stop - side.start for side in windows[0])
    return [{**meta, 'img_shape': size, 'pad_shape': size} for meta in metas]
