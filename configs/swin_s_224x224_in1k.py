"""Swin-S, dense, on ImageNet-1k at 224x224.

python tools/train.py configs/swin_s_224x224_in1k.py

Not measured yet. Swin's paper reports 83.0 top-1 at 8.7 GMACs.
"""

_base_ = [
    './_base_/models/swin_s.py',
    './_base_/datasets/imagenet_224_bicubic.py',
    './_base_/schedules/swin_20e.py',
    './_base_/classification_runtime.py',
]
