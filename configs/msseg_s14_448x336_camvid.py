"""Mixed twin of seg_s14_448x336_camvid.py: the same recipe, tokens of 14 and 28 pixels.

python tools/train.py configs/msseg_s14_448x336_camvid.py

Not measured yet: it needs a GPU. See msseg_s14_448x336_camvid_cpu.py for the small version.
"""

_base_ = ['./seg_s14_448x336_camvid.py', './_base_/gates/gbas.py']

gate_loss = dict(_base_.gate_loss, grid=(12, 16), target=0.25)
model = dict(backbone=dict(gate=_base_.gate, gate_loss=gate_loss))
