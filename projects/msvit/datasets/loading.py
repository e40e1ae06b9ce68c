"""Training reads images as the commands do."""

from typing import Any

import cv2
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile

from msvit.images import read_rgb


class LoadLikeCommands(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` with the ``msvit`` commands' reader: 16 bits scaled to 8 instead of cut off at 255,
    transparency laid on white. Plain 8-bit images are the same in both."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``img`` (H, W, 3) BGR, ``img_shape`` and ``ori_shape``."""
        content = fileio.get(results['img_path'], backend_args=self.backend_args)
        image = cv2.cvtColor(read_rgb(results['img_path'], content), cv2.COLOR_RGB2BGR)
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


def loading_like_commands(transforms: list[Any]) -> list[Any]:
    """The transforms of a pipeline, those that load colour images by Pillow in their safer form.

    They are replaced here, not in the configs, because mmseg's inference looks for the type names there.
    """
    return [_like_commands(transform) for transform in transforms]


def _like_commands(transform: Any) -> Any:
    plain = type(transform) is LoadImageFromFile and transform.imdecode_backend == 'pillow'
    if not plain or transform.color_type != 'color' or transform.ignore_empty or transform.file_client_args is not None:
        return transform
    return LoadLikeCommands(transform.to_float32, imdecode_backend='pillow', backend_args=transform.backend_args)
