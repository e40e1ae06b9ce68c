"""Mixed twin of seg_s14_448x336_camvid_cpu.py: the same recipe, tokens of 14 and 28 pixels.

python tools/train.py configs/msseg_s14_448x336_camvid_cpu.py
"""

_base_ = './seg_s14_448x336_camvid_cpu.py'

model = dict(
    backbone=dict(
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(8, 8), target=0.25, weight=4.0),
    )
)
