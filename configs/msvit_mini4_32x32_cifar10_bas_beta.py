"""msvit_mini4_32x32_cifar10.py under batch-shaping with one fixed Beta prior.

python tools/train.py configs/msvit_mini4_32x32_cifar10_bas_beta.py

Not measured yet.
"""

_base_ = './msvit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate_loss=dict(_delete_=True, type='msvit.BaSLoss', prior='beta', target=0.25, weight=20.0)))
