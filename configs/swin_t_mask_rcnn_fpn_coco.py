"""Mask R-CNN on Swin-T, dense, on COCO, 36 epochs.

python tools/train.py configs/swin_t_mask_rcnn_fpn_coco.py

Not measured yet. mmdet reports a box AP of 46.0 and a mask AP of 41.6 for its own. It needs mmdet: see docs/plug_in.md.
"""

_base_ = [
    './_base_/models/mask_rcnn_swin_t.py',
    './_base_/datasets/coco_masks.py',
    './_base_/schedules/coco_3x.py',
    './_base_/detection_epoch_runtime.py',
]
