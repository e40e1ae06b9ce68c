"""Mixed twin of vit_mini4_32x32_cifar10.py: the same weights and recipe, tokens of 4 and 8 pixels.

python tools/train.py configs/msvit_mini4_32x32_cifar10.py
"""

_base_ = ['./vit_mini4_32x32_cifar10.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=dict(**_base_.gate, hidden_dims=(64, 64)), gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, dict(type='msvit.GateWarmupHook', epochs=0.6)]
