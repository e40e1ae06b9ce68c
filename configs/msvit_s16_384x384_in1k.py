"""MSViT-S/16,32 on ImageNet-1k at 384x384, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_s16_384x384_in1k.py

Not measured yet. The paper reports 84.14 top-1 at 428 tokens and 11.14 GMACs (Table 3, several g* and lambda).
"""

_base_ = ['./vit_s16_384x384_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
