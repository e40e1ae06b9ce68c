"""MSSeg-T/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.5.

python tools/train.py configs/msseg_t16_512x512_ade20k.py

Not measured yet. The paper reports 37.9 mIoU at 655 tokens, 5.6 GMACs (Table 4, single scale); at g* = 0.25 37.3, 565, 4.6;
at g* = 0.1 36.8, 525, 4.2. For these add --cfg-options model.backbone.gate_loss.target=0.25, or 0.1.
"""

_base_ = ['./seg_t16_512x512_ade20k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
