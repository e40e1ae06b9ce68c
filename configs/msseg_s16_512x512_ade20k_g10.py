"""MSSeg-S/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.1.

python tools/train.py configs/msseg_s16_512x512_ade20k_g10.py

Not measured yet. The paper reports 43.3 mIoU at 552 tokens, 14.8 GMACs (Table 4, single scale).
"""

_base_ = './msseg_s16_512x512_ade20k.py'

model = dict(backbone=dict(gate_loss=dict(target=0.1)))
