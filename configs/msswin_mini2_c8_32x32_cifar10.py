"""Mixed twin of swin_mini2_32x32_cifar10.py: regions of 8 pixels enter at the third stage; the gate ships with the package.

python tools/train.py configs/msswin_mini2_c8_32x32_cifar10.py

Reached 57.42 top-1 at 13.5 MMACs (one seed).
"""

_base_ = ['./swin_mini2_32x32_cifar10.py', './_base_/gates/trained_cifar10.py']

model = dict(backbone=dict(gate=_base_.gate))
