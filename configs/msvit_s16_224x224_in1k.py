"""MSViT-S/16,32 on ImageNet-1k at 224x224, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_s16_224x224_in1k.py

Not measured yet. The paper (Table 3, several g* and lambda) reports 81.47 top-1 at 138 tokens and 3.23 GMACs; at 384x384
84.14 at 428 and 11.14.
"""

_base_ = ['./vit_s16_224x224_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
