"""FCOS behind ViTDet's simple feature pyramid on MSViT-S/16,32, on COCO, target share of fine regions g* = 0.5.

python tools/train.py configs/msvit_s16_fcos_sfp_coco.py

Not measured yet. It needs mmdet: see docs/plug_in.md.
"""

_base_ = ['./vit_s16_fcos_sfp_coco.py', './_base_/gates/bas.py']

model = dict(backbone=dict(gate=_base_.gate, gate_loss=_base_.gate_loss))
