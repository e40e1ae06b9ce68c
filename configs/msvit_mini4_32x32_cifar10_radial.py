"""vit_mini4_32x32_cifar10.py with fine tokens around the centre of every image.

python tools/train.py configs/msvit_mini4_32x32_cifar10_radial.py

Reached 66.94 +- 0.24 top-1 at 34 tokens and 16.6 MMACs (three seeds).
"""

_base_ = './vit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate=dict(type='msvit.RadialGate', fine_share=6 / 16)))
