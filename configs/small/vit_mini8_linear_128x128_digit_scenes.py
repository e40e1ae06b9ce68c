"""A linear head on the small plain ViT of the demo, fine-tuned on DigitScenes.

python tools/train.py configs/small/vit_mini8_linear_128x128_digit_scenes.py

Reached 32.4 mIoU at 256 tokens and 411 MMACs (one seed); background everywhere scores 7.8.
"""

_base_ = [
    '../_base_/models/segmentor_vit_mini8.py',
    '../_base_/heads/linear.py',
    '../_base_/datasets/digit_scenes_crowded_128x128.py',
    '../_base_/schedules/digit_scenes_new_head.py',
    '../_base_/default_runtime.py',
]

model = dict(decode_head=dict(_base_.decode_head, in_channels=128, channels=128, num_classes=11))
load_from = 'msvit://seg_mini8_digit_scenes.safetensors'  # the backbone's weights; the head is new
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
