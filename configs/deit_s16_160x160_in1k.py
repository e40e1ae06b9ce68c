"""DeiT-S/16, dense, on ImageNet-1k at 160x160.

python tools/train.py configs/deit_s16_160x160_in1k.py

Not measured yet. The paper reports 75.86 top-1, 100 tokens, 2.27 GMACs (Table 3).
"""

_base_ = [
    './_base_/models/deit_s16.py',
    './_base_/datasets/imagenet_160_bicubic.py',
    './_base_/schedules/deit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
