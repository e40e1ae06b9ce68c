"""Mixed twin of seg_s14_448x336_camvid.py: the same recipe, tokens of 14 and 28 pixels.

python tools/train.py configs/msseg_s14_448x336_camvid.py

Not measured yet: it needs a GPU. See msseg_s14_448x336_camvid_cpu.py for the small version.
"""

_base_ = './seg_s14_448x336_camvid.py'

model = dict(
    backbone=dict(
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(12, 16), target=0.25, weight=4.0),
    )
)
