"""UPerNet on Swin-T, dense, on ADE20K at 512x512.

python tools/train.py configs/swin_t_upernet_512x512_ade20k.py

Not measured yet. mmseg reports 44.41 mIoU for its own (single scale).
"""

_base_ = [
    './_base_/models/segmentor_swin_t.py',
    './_base_/heads/upernet.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/upernet_swin_160k.py',
    './_base_/default_runtime.py',
]

model = dict(
    decode_head=dict(_base_.decode_head, in_channels=[96, 192, 384, 768], in_index=[0, 1, 2, 3]),
    auxiliary_head=dict(_base_.auxiliary_head, in_channels=384, in_index=2),
)
train_dataloader = dict(batch_size=16)
