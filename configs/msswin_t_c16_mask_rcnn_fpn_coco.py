"""Mask R-CNN on MSSwin-T on COCO: regions of 16 pixels, the gate is trained along, g* = 0.5.

python tools/train.py configs/msswin_t_c16_mask_rcnn_fpn_coco.py

Not measured yet. It needs mmdet: see docs/plug_in.md.
"""

_base_ = ['./swin_t_mask_rcnn_fpn_coco.py', './_base_/gates/bas.py']

model = dict(
    backbone=dict(coarse_patch_size=16, train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss),
)
