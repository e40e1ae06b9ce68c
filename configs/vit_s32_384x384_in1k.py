"""ViT-S/32, dense, on ImageNet-1k at 384x384.

python tools/train.py configs/vit_s32_384x384_in1k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/vit_s32.py',
    './_base_/datasets/imagenet_384.py',
    './_base_/schedules/vit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
