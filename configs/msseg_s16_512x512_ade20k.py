"""MSSeg-S/16,32 on ADE20K at 512x512, target share of fine regions g* = 0.5.

python tools/train.py configs/msseg_s16_512x512_ade20k.py

Not measured yet. The paper reports 44.9 mIoU at 684 tokens, 19.2 GMACs (Table 4, single scale).
"""

_base_ = './seg_s16_512x512_ade20k.py'

model = dict(
    backbone=dict(
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(16, 16), target=0.5, weight=4.0),
    )
)
