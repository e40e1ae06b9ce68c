"""FCOS behind ViTDet's simple feature pyramid on ViT-S/16, dense, on COCO, 12 epochs.

python tools/train.py configs/vit_s16_fcos_sfp_coco.py

Not measured yet. It needs mmdet: see docs/plug_in.md.
"""

_base_ = [
    './_base_/models/fcos_vit_s16.py',
    './_base_/datasets/coco_boxes.py',
    './_base_/schedules/coco_1x.py',
    './_base_/detection_runtime.py',
]
