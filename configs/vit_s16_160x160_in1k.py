"""ViT-S/16, dense, on ImageNet-1k at 160x160.

python tools/train.py configs/vit_s16_160x160_in1k.py

Not measured yet. The paper reports 100 tokens and 2.27 GMACs (Table 3).
"""

_base_ = [
    './_base_/models/vit_s16.py',
    './_base_/datasets/imagenet_160.py',
    './_base_/schedules/vit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
