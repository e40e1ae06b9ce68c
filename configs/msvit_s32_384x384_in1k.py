"""MSViT-S/32,64 on ImageNet-1k at 384x384, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_s32_384x384_in1k.py

Not measured yet.
"""

_base_ = ['./vit_s32_384x384_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
