"""MSSeg-T/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.5.

python tools/train.py configs/msseg_t16_512x512_ade20k.py

Not measured yet. The paper reports 37.9 mIoU at 655 tokens, 5.6 GMACs (Table 4, single scale).
"""

_base_ = './seg_t16_512x512_ade20k.py'

model = dict(
    backbone=dict(
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(16, 16), target=0.5, weight=4.0),
    )
)
