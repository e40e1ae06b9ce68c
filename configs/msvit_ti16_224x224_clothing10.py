"""Mixed twin of vit_ti16_224x224_clothing10.py: the same recipe, after a third of it with tokens of 16 and 32 pixels.

python tools/train.py configs/msvit_ti16_224x224_clothing10.py
"""

_base_ = ['./vit_ti16_224x224_clothing10.py', './_base_/gates/taught_by_dense.py']

model = dict(backbone=dict(gate=_base_.gate))
custom_hooks = [*_base_.custom_hooks, dict(_base_.teach_gate, begin=10, by_epoch=True)]
