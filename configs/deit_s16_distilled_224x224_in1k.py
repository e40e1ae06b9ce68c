"""Distilled DeiT-S/16, dense, on ImageNet-1k at 224x224.

python tools/train.py configs/deit_s16_distilled_224x224_in1k.py

Not measured yet.
"""

_base_ = [
    './_base_/models/deit_s16_distilled.py',
    './_base_/datasets/imagenet_224_bicubic.py',
    './_base_/schedules/deit_20e.py',
    './_base_/classification_runtime.py',
]
