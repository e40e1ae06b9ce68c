"""Dense twin: a small Swin, fine-tuned on CIFAR-10 by the ImageNet recipe in small.

python tools/train.py configs/small/swin_mini2_32x32_cifar10.py

Reached 70.10 top-1 at 20.9 MMACs (one seed).
"""

_base_ = [
    '../_base_/models/swin_mini2.py',
    '../_base_/datasets/cifar10_32x32.py',
    '../_base_/schedules/vit_1e.py',
    '../_base_/classification_runtime.py',
]

load_from = 'work_dirs/swin_mini2_32x32_cifar10_pretrain/epoch_12.pth'
