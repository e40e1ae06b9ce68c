"""UPerNet on MSViT-S/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_s16_upernet_512x512_ade20k.py

Not measured yet.
"""

_base_ = ['./vit_s16_upernet_512x512_ade20k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
