"""vit_mini4_32x32_cifar10.py with fine tokens in random regions, anew for every training image.

python tools/train.py configs/msvit_mini4_32x32_cifar10_random.py
"""

_base_ = './vit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate=dict(type='msvit.RandomGate', fine_share=6 / 16)))
