"""vit_mini4_32x32_cifar10.py with fine tokens where half the resolution would lose most.

python tools/train.py configs/msvit_mini4_32x32_cifar10_saliency.py

Reached 66.11 top-1 at 34 tokens and 16.6 MMACs (one seed).
"""

_base_ = './vit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate=dict(type='msvit.SaliencyGate', fine_share=6 / 16)))
