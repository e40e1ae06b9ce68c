"""SETR (progressive upsampling) on ViT-S/16, dense, on ADE20K at 512x512.

python tools/train.py configs/vit_s16_setr_512x512_ade20k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/segmentor_vit_s16.py',
    './_base_/heads/setr.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/segmenter_160k.py',
    './_base_/default_runtime.py',
]

model = dict(
    backbone=dict(out_indices=(2, 5, 8, 11)),
    decode_head=dict(_base_.decode_head, in_channels=384, in_index=3),
    auxiliary_head=[dict(_base_.auxiliary_head, in_channels=384, in_index=i) for i in range(3)],
)
train_dataloader = dict(batch_size=16)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}))  # as in mmseg's own setr configs
