"""SETR (progressive upsampling) on Swin-T, dense, on ADE20K at 512x512.

python tools/train.py configs/swin_t_setr_512x512_ade20k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/segmentor_swin_t.py',
    './_base_/heads/setr.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/upernet_swin_160k.py',
    './_base_/default_runtime.py',
]

model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    decode_head=dict(_base_.decode_head, in_channels=768, in_index=2),
    auxiliary_head=[
        dict(_base_.auxiliary_head, in_channels=192, in_index=0),
        dict(_base_.auxiliary_head, in_channels=384, in_index=1),
    ],
)
train_dataloader = dict(batch_size=16)
