"""The plain ViT that the CIFAR-10 twins start from, trained from nothing.

python tools/train.py configs/small/vit_mini4_32x32_cifar10_pretrain.py

Reached 70.56 top-1, in 50 minutes on two busy CPU cores.
"""

_base_ = [
    '../_base_/models/vit_mini4.py',
    '../_base_/datasets/cifar10_32x32.py',
    '../_base_/schedules/mini_12e.py',
    '../_base_/classification_runtime.py',
]
