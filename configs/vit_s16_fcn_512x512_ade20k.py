"""FCN on ViT-S/16, dense, on ADE20K at 512x512.

python tools/train.py configs/vit_s16_fcn_512x512_ade20k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/segmentor_vit_s16.py',
    './_base_/heads/fcn.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/upernet_vit_160k.py',
    './_base_/default_runtime.py',
]

model = dict(
    backbone=dict(out_indices=(2, 5, 8, 11)),
    decode_head=dict(_base_.decode_head, in_channels=[384] * 4, in_index=[0, 1, 2, 3]),
    auxiliary_head=dict(_base_.auxiliary_head, in_channels=384, in_index=2),
)
train_dataloader = dict(batch_size=16)
