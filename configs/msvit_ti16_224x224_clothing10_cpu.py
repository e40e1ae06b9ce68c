"""Mixed twin of vit_ti16_224x224_clothing10_cpu.py: the same recipe, after a quarter of it with tokens of 16 and 32 pixels.

python tools/train.py configs/msvit_ti16_224x224_clothing10_cpu.py

Reached 91.5 % top-1 (91.2 to 92.1, 3 seeds) at 120 tokens, 0.58x of the MACs: see docs/accuracy.md.
"""

_base_ = ['./vit_ti16_224x224_clothing10_cpu.py', './_base_/gates/taught_by_dense.py']

model = dict(backbone=dict(gate=_base_.gate))
custom_hooks = [*_base_.custom_hooks, dict(_base_.teach_gate, begin=1, by_epoch=True)]
