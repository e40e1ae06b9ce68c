"""mmseg's costly augmentations, several times faster and the same to the bit, for GPUs that must not wait for their data.

train_pipeline = [..., dict(type='msvit.RandomCrop', crop_size=(352, 480), cat_max_ratio=0.75),
                  dict(type='RandomFlip', prob=0.5), dict(type='msvit.PhotoMetricDistortion'), ...]
"""

from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import PhotoMetricDistortion as MMSegPhotoMetricDistortion
from mmseg.datasets.transforms import RandomCrop as MMSegRandomCrop

_TRIES = 10  # as many as mmseg's
_EXACT = 2**24  # pixels up to which OpenCV's counts, floats of 32 bits, are exact


class RandomCrop(MMSegRandomCrop):
    """mmseg's RandomCrop, which counts the labels of a crop without sorting them; other maps than uint8 go mmseg's way.

    Args:
        crop_size, cat_max_ratio, ignore_index: as in :class:`mmseg.datasets.transforms.RandomCrop`.
    """

    # A list of its own: mmcv would add the method to mmseg's for a second time, and then take each call for two.
    _methods_with_randomness: list[str] = []

    @cache_randomness
    def crop_bbox(self, results: dict[str, Any]) -> tuple[int, int, int, int]:
        """Draw a window in which no label takes ``cat_max_ratio`` of the pixels, or any after ten tries.

        Returns:
            Top, bottom, left and right in pixels; bottom and right may lie beyond a small image.
        """
        if self.cat_max_ratio >= 1 or not _is_countable(results['gt_seg_map']):
            return super().crop_bbox(results)
        for _ in range(_TRIES):
            window = self._draw(results['img'])
            if self._is_mixed(self.crop(results['gt_seg_map'], window)):
                return window
        return self._draw(results['img'])

    def _draw(self, img: np.ndarray) -> tuple[int, int, int, int]:
        height, width = self.crop_size
        top = np.random.randint(0, max(img.shape[0] - height, 0) + 1)
        left = np.random.randint(0, max(img.shape[1] - width, 0) + 1)
        return top, top + height, left, left + width

    def _is_mixed(self, labels: np.ndarray) -> bool:
        counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel().astype(np.int64)
        if 0 <= self.ignore_index < 256:
            counts[self.ignore_index] = 0
        return bool(np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < self.cat_max_ratio)


def _is_countable(labels: np.ndarray) -> bool:
    return labels.dtype == np.uint8 and labels.ndim == 2 and labels.size <= _EXACT


class PhotoMetricDistortion(MMSegPhotoMetricDistortion):
    """mmseg's PhotoMetricDistortion, which looks each value of a uint8 image up in a table; others go mmseg's way.

    Args:
        brightness_delta, contrast_range, saturation_range, hue_delta: as in
            :class:`mmseg.datasets.transforms.PhotoMetricDistortion`.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Distort ``results['img']``, (H, W, 3) BGR."""
        img = results['img']
        if img.dtype == np.uint8 and img.strides[1] < 0:
            # RandomFlip leaves a view that runs backwards, which numpy would copy value by value.
            results['img'] = cv2.flip(img[:, ::-1], 1).reshape(img.shape)
        return super().transform(results)

    def convert(self, img: np.ndarray, alpha: float = 1, beta: float = 0) -> np.ndarray:
        """Multiply by ``alpha``, add ``beta`` and clip to 0..255."""
        if img.dtype != np.uint8:
            return super().convert(img, alpha, beta)  # pyright: ignore[reportArgumentType]  # floats, as mmseg's own calls
        table = super().convert(np.arange(256, dtype=np.uint8), alpha, beta)  # pyright: ignore[reportArgumentType]
        return cv2.LUT(img, table).reshape(img.shape)  # OpenCV drops a last axis of 1

    def hue(self, img: np.ndarray) -> np.ndarray:
        """Turn the hue of half of the images."""
        if img.dtype != np.uint8:
            return super().hue(img)
        if np.random.randint(2):
            hsv = mmcv.bgr2hsv(img)
            turn = np.random.randint(-self.hue_delta, self.hue_delta)
            table = ((np.arange(256) + turn) % 180).astype(np.uint8)
            hsv[:, :, 0] = cv2.LUT(hsv[:, :, 0], table)
            img = mmcv.hsv2bgr(hsv)
        return img
