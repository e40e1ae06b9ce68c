"""msvit_mini4_32x32_cifar10.py under the expected-L0 penalty, whose weight sets the share of fine regions.

python tools/train.py configs/msvit_mini4_32x32_cifar10_l0.py

Reached 69.79 top-1 at 57.3 tokens and 29.0 MMACs (one seed); at a weight of 0.1 all regions stay fine.
"""

_base_ = './msvit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate_loss=dict(_delete_=True, type='msvit.L0Loss', weight=0.4)))
