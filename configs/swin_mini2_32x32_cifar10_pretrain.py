"""The small Swin that the CIFAR-10 twins start from, trained from nothing.

python tools/train.py configs/swin_mini2_32x32_cifar10_pretrain.py
"""

_base_ = [
    './_base_/models/swin_mini2.py',
    './_base_/datasets/cifar10_32x32.py',
    './_base_/schedules/mini_12e.py',
    './_base_/classification_runtime.py',
]
