"""MSSeg-S/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.5.

python tools/train.py configs/msseg_s16_512x512_ade20k.py

Not measured yet. The paper reports 44.9 mIoU at 684 tokens, 19.2 GMACs (Table 4, single scale); at g* = 0.25 44.1, 586, 15.9;
at g* = 0.1 43.3, 552, 14.8. For these add --cfg-options model.backbone.gate_loss.target=0.25, or 0.1.
"""

_base_ = ['./seg_s16_512x512_ade20k.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
