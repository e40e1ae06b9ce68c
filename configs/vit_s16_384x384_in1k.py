"""ViT-S/16, dense, on ImageNet-1k at 384x384.

python tools/train.py configs/vit_s16_384x384_in1k.py

Not measured yet. The paper reports 84.20 top-1, 576 tokens, 15.49 GMACs (Table 3).
"""

_base_ = [
    './_base_/models/vit_s16.py',
    './_base_/datasets/imagenet_384.py',
    './_base_/schedules/vit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
