"""First stage of the small Swin's pretraining, from nothing: one digit in a scene of 32x32.

python tools/train.py configs/small/swin_mini4_32x32_digit_scenes_pretrain.py

Reached 68.2 mIoU on its own scenes.
"""

_base_ = [
    '../_base_/models/segmentor_swin_mini4.py',
    '../_base_/heads/linear.py',
    '../_base_/datasets/digit_scenes_32x32.py',
    '../_base_/schedules/digit_scenes_pretrain.py',
    '../_base_/default_runtime.py',
]

data_preprocessor = dict(size=(32, 32))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(out_indices=(2,)),
    decode_head=dict(_base_.decode_head, in_channels=128, channels=128, num_classes=11),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=200))
