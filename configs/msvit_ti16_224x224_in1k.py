"""MSViT-Ti/16,32 on ImageNet-1k at 224x224, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_ti16_224x224_in1k.py

Not measured yet. The paper reports 72.57 top-1 at 95 tokens and 0.60 GMACs, 74.93 at 138 and 0.88, 75.51 at 154 and
0.98 (Table 3, several g* and lambda).
"""

_base_ = ['./vit_ti16_224x224_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
