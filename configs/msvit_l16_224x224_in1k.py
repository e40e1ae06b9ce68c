"""MSViT-L/16,32 on ImageNet-1k, target share of fine regions g* = 0.5.

MSVIT_IMG_SIZE=160 python tools/train.py configs/msvit_l16_224x224_in1k.py

Not measured yet. The paper (Table 3, several g* and lambda) reports at 160x160 81.73 top-1 at 89 tokens and 27.48 GMACs; at
192x192 81.67 at 84 and 25.93, 82.46 at 111 and 34.5.
"""

_base_ = ['./vit_l16_224x224_in1k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
