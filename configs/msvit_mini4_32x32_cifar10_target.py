"""msvit_mini4_32x32_cifar10.py under the squared distance of the mean share to the target, an L0 loss with a target.

python tools/train.py configs/msvit_mini4_32x32_cifar10_target.py

Reached 63.56 top-1 at 29.2 tokens and 14.5 MMACs (one seed).
"""

_base_ = './msvit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate_loss=dict(_delete_=True, type='msvit.TargetLoss', target=0.25, weight=20.0)))
