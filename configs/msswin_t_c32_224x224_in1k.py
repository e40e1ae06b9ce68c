"""MSSwin-T on ImageNet-1k at 224x224: regions of 32 pixels enter at the fourth stage, the gate is that of MSDeiT-S.

python tools/train.py configs/msswin_t_c32_224x224_in1k.py

Not measured yet. Train configs/msdeit_s16_224x224_in1k.py first, or name another gate with
--cfg-options model.backbone.gate.checkpoint=FILE.
"""

_base_ = ['./swin_t_224x224_in1k.py', './_base_/gates/trained_in1k.py']

model = dict(backbone=dict(gate=_base_.gate))
