"""MSViT-L/16,32 on ImageNet-1k at 160x160, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_l16_160x160_in1k.py

Not measured yet. The paper reports 81.73 top-1 at 89 tokens and 27.48 GMACs (Table 3, several g* and lambda).
"""

_base_ = ['./vit_l16_160x160_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
