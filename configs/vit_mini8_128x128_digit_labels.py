"""Multi-label classification by the small plain ViT of the demo, from its class token: which digits a scene holds.

python tools/train.py configs/vit_mini8_128x128_digit_labels.py

Reached 53.0 mAP at 256 tokens and 411 MMACs (one seed); chance has 19.
"""

_base_ = [
    './_base_/models/multi_label_vit_mini8.py',
    './_base_/datasets/digit_labels_128x128.py',
    './_base_/schedules/digit_scenes_new_head.py',
    './_base_/multi_label_runtime.py',
]
