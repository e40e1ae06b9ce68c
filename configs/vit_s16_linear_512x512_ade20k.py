"""A linear head on ViT-S/16, dense, on ADE20K at 512x512.

python tools/train.py configs/vit_s16_linear_512x512_ade20k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/segmentor_vit_s16.py',
    './_base_/heads/linear.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/segmenter_160k.py',
    './_base_/default_runtime.py',
]

model = dict(decode_head=dict(_base_.decode_head, in_channels=384, channels=384))
