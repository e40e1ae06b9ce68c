"""A linear head on Swin-T, dense, on ADE20K at 512x512.

python tools/train.py configs/swin_t_linear_512x512_ade20k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/segmentor_swin_t.py',
    './_base_/heads/linear.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/upernet_swin_160k.py',
    './_base_/default_runtime.py',
]

model = dict(
    decode_head=dict(
        _base_.decode_head,
        input_transform='resize_concat',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        channels=1440,
    )
)
train_dataloader = dict(batch_size=16)
