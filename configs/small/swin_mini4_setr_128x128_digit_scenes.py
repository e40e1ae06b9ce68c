"""SETR (progressive upsampling) on a small Swin, fine-tuned on DigitScenes.

python tools/train.py configs/small/swin_mini4_setr_128x128_digit_scenes.py

Reached 79.3 mIoU at 1024 tokens and 85 MMACs (one seed); background everywhere scores 7.8.
"""

_base_ = [
    '../_base_/models/segmentor_swin_mini4.py',
    '../_base_/heads/setr.py',
    '../_base_/datasets/digit_scenes_crowded_128x128.py',
    '../_base_/schedules/digit_scenes_new_head.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(out_indices=(1, 2)),
    decode_head=dict(_base_.decode_head, in_channels=128, in_index=1, channels=64, num_convs=3, num_classes=11),
    auxiliary_head=dict(_base_.auxiliary_head, in_channels=64, in_index=0, channels=64, num_classes=11),
)
load_from = 'msvit://swin_mini4_digit_scenes.safetensors'  # the backbone's weights; the head is new
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
