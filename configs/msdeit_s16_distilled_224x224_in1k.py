"""Distilled MSDeiT-S/16,32 on ImageNet-1k at 224x224, target share of fine regions g* = 0.5.

python tools/train.py configs/msdeit_s16_distilled_224x224_in1k.py

Not measured yet.
"""

_base_ = ['./deit_s16_distilled_224x224_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
