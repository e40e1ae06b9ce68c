"""Mixed twin of seg_s16_480x352_camvid.py: the same recipe, tokens of 16 and 32 pixels.

python tools/train.py configs/msseg_s16_480x352_camvid.py

Not measured yet.
"""

_base_ = './seg_s16_480x352_camvid.py'

model = dict(
    backbone=dict(
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(11, 15), target=0.25, weight=4.0),
    )
)
