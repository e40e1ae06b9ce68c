"""vit_mini4_32x32_cifar10.py with fine tokens in random regions, anew for every training image.

python tools/train.py configs/msvit_mini4_32x32_cifar10_random.py

Reached 64.82 +- 0.34 top-1 at 34 tokens and 16.6 MMACs (three seeds).
"""

_base_ = './vit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate=dict(type='msvit.RandomGate', fine_share=6 / 16)))
