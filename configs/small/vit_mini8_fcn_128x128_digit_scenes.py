"""FCN on the small plain ViT of the demo, fine-tuned on DigitScenes.

python tools/train.py configs/small/vit_mini8_fcn_128x128_digit_scenes.py

Reached 49.9 mIoU at 256 tokens and 411 MMACs (one seed); background everywhere scores 7.8.
"""

_base_ = [
    '../_base_/models/segmentor_vit_mini8.py',
    '../_base_/heads/fcn.py',
    '../_base_/datasets/digit_scenes_crowded_128x128.py',
    '../_base_/schedules/digit_scenes_new_head.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(out_indices=(1, 3, 5)),
    decode_head=dict(_base_.decode_head, in_channels=[128] * 3, in_index=[0, 1, 2], channels=64, num_classes=11),
    auxiliary_head=dict(_base_.auxiliary_head, in_channels=128, in_index=1, channels=64, num_classes=11),
)
load_from = 'msvit://seg_mini8_digit_scenes.safetensors'  # the backbone's weights; the head is new
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
