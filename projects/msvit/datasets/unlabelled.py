"""Image files without labels, to train on."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from msvit.checks import check_count, check_flag, check_path
from msvit.images import read_rgb, shrunk

IGNORED = 255


class UnlabelledImages(BaseDataset):
    """Image files of any kind, as arrays for the steps of a pipeline that follow loading.

    Args:
        ann_file: text file, the path of an image on each line.
        bgr: whether the steps want BGR, as OpenMMLab loads files.
        label_map: give each image a label map in which every pixel is ignored, for segmentation's steps that look at one.
        max_side: longer images are shrunk to this many pixels.
        **kwargs: of mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: there is no such list, or it is empty.
        ValueError: an image cannot be read; says which.
    """

    def __init__(self, ann_file: str, bgr: bool = True, label_map: bool = False, max_side: int = 1024, **kwargs: Any):
        check_path('ann_file', ann_file)
        check_flag('bgr', bgr)
        check_flag('label_map', label_map)
        check_count('max_side', max_side, least=1)
        self.bgr, self.label_map, self.max_side = bgr, label_map, max_side
        super().__init__(ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples."""
        file = Path(str(self.ann_file))
        files = file.read_text(encoding='utf-8').splitlines() if file.is_file() else []
        if not files:
            raise FileNotFoundError(f'UnlabelledImages: {file} lists no images')
        return [dict(img_path=path) for path in files]

    def prepare_data(self, idx: int) -> Any:
        """Reads image ``idx`` and runs the pipeline on it."""
        info = self.get_data_info(idx)
        image = shrunk(read_rgb(info['img_path']), self.max_side)
        shape = image.shape[:2]
        info |= dict(img=np.ascontiguousarray(image[..., ::-1] if self.bgr else image))
        info |= dict(img_shape=shape, ori_shape=shape, height=shape[0], width=shape[1])
        if self.label_map:
            info |= dict(gt_seg_map=np.full(shape, IGNORED, np.uint8), seg_fields=['gt_seg_map'])
        return self.pipeline(info)
