"""Swin-T, dense, on ImageNet-1k at 224x224.

python tools/train.py configs/swin_t_224x224_in1k.py

Not measured yet. Swin's paper reports 81.3 top-1 at 4.5 GMACs.
"""

_base_ = [
    './_base_/models/swin_t.py',
    './_base_/datasets/imagenet_224_bicubic.py',
    './_base_/schedules/swin_20e.py',
    './_base_/classification_runtime.py',
]
