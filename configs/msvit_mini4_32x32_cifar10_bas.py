"""msvit_mini4_32x32_cifar10.py under batch-shaping with one fixed relaxed Bernoulli prior.

python tools/train.py configs/msvit_mini4_32x32_cifar10_bas.py

Reached 64.84 top-1 at 32.2 tokens and 16.0 MMACs (one seed).
"""

_base_ = './msvit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate_loss=dict(_delete_=True, type='msvit.BaSLoss', target=0.25, temperature=0.3, weight=20.0)))
