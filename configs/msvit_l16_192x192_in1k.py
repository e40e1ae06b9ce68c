"""MSViT-L/16,32 on ImageNet-1k at 192x192, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_l16_192x192_in1k.py

Not measured yet. The paper reports 81.67 top-1 at 84 tokens and 25.93 GMACs, 82.46 at 111 and 34.5 (Table 3, several g*
and lambda).
"""

_base_ = ['./vit_l16_192x192_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
