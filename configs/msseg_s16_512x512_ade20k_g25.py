"""MSSeg-S/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.25.

python tools/train.py configs/msseg_s16_512x512_ade20k_g25.py

Not measured yet. The paper reports 44.1 mIoU at 586 tokens, 15.9 GMACs (Table 4, single scale).
"""

_base_ = './msseg_s16_512x512_ade20k.py'

model = dict(backbone=dict(gate_loss=dict(target=0.25)))
