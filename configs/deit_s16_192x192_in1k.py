"""DeiT-S/16, dense, on ImageNet-1k at 192x192.

python tools/train.py configs/deit_s16_192x192_in1k.py

Not measured yet. The paper reports 77.79 top-1, 144 tokens, 3.32 GMACs (Table 3).
"""

_base_ = [
    './_base_/models/deit_s16.py',
    './_base_/datasets/imagenet_192_bicubic.py',
    './_base_/schedules/deit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
