"""FCOS behind ViTDet's simple feature pyramid on the small plain ViT of the demo, fine-tuned on DigitScenes' boxes.

python tools/train.py configs/vit_mini8_fcos_sfp_128x128_digit_boxes.py

Reached a box AP of 71.8 at 256 tokens and 411 MMACs (one seed).
"""

_base_ = [
    './_base_/models/fcos_vit_mini8.py',
    './_base_/datasets/digit_boxes_128x128.py',
    './_base_/schedules/digit_scenes_new_head.py',
    './_base_/detection_runtime.py',
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
