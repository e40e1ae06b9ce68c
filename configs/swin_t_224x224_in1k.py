"""Swin-T, dense, on ImageNet-1k at 224x224.

python tools/train.py configs/swin_t_224x224_in1k.py

Not measured yet. Swin's paper reports 81.3 top-1 at 4.5 GMACs.
"""

_base_ = [
    './_base_/models/swin_t.py',
    './_base_/datasets/imagenet_bicubic.py',
    './_base_/schedules/deit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'coarse_embed': dict(lr_mult=50.0)}))  # it is new
