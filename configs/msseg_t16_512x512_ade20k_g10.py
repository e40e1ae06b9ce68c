"""MSSeg-T/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.1.

python tools/train.py configs/msseg_t16_512x512_ade20k_g10.py

Not measured yet. The paper reports 36.8 mIoU at 525 tokens, 4.2 GMACs (Table 4, single scale).
"""

_base_ = './msseg_t16_512x512_ade20k.py'

model = dict(backbone=dict(gate_loss=dict(target=0.1)))
