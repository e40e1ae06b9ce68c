"""ViT-S/32, dense, on ImageNet-1k at 224x224.

python tools/train.py configs/vit_s32_224x224_in1k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/vit_s32.py',
    './_base_/datasets/imagenet_224.py',
    './_base_/schedules/vit_20e.py',
    './_base_/classification_runtime.py',
]
