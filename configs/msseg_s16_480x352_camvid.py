"""Mixed twin of seg_s16_480x352_camvid.py: the same recipe, tokens of 16 and 32 pixels.

python tools/train.py configs/msseg_s16_480x352_camvid.py

Not measured yet.
"""

_base_ = ['./seg_s16_480x352_camvid.py', './_base_/gates/gbas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=dict(_base_.gate_loss, target=0.25)))
