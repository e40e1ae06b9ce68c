"""MS-DyViT on the small plain ViT, CIFAR-10: the mask of the gate that ships with the package is the first pruning policy.

python tools/train.py configs/msdyvit_mini4_32x32_cifar10.py

Reached 59.28 top-1 at 37.2 of 64 tokens and 12.9 MMACs (one seed).
"""

_base_ = ['./dyvit_mini4_32x32_cifar10.py', './_base_/gates/trained_cifar10.py']

model = dict(backbone=dict(gate=_base_.gate))
