"""MS-EViT on the small plain ViT, CIFAR-10: the mask of the gate that ships with msvit, sorted and pruned with the tokens.

python tools/train.py configs/msevit_mini4_32x32_cifar10.py
"""

_base_ = ['./evit_mini4_32x32_cifar10.py', './_base_/gates/trained_cifar10.py']

model = dict(backbone=dict(gate=_base_.gate))
