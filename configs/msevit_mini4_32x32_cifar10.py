"""MS-EViT on the small plain ViT, CIFAR-10: the mask of the gate that ships with msvit, sorted and pruned with the tokens.

python tools/train.py configs/msevit_mini4_32x32_cifar10.py

Reached 63.84 top-1 at 37.2 of 64 tokens and 13.8 MMACs (one seed).
"""

_base_ = ['./evit_mini4_32x32_cifar10.py', './_base_/gates/trained_cifar10.py']

model = dict(backbone=dict(gate=_base_.gate))
