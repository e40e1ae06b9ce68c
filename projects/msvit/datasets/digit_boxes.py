"""``msvit.DigitBoxesDataset`` in the registry, whether mmdet is there or not."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .detection import DigitBoxesDataset


def build_digit_boxes_dataset(**kwargs: Any) -> 'DigitBoxesDataset':
    """Builds a ``DigitBoxesDataset``; only now is mmdet imported, which segmentation and classification do without.

    Args:
        **kwargs: of ``msvit.datasets.detection.DigitBoxesDataset``.

    Raises:
        ImportError: mmdet, or the operators of mmcv that it needs, are not installed; the message says how to.
    """
    from .detection import DigitBoxesDataset

    return DigitBoxesDataset(**kwargs)
