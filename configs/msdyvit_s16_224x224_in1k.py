"""MS-DyViT on DeiT-S/16,32, ImageNet-1k at 224x224: the mask of MSDeiT-S's gate is the first pruning policy.

python tools/train.py configs/msdyvit_s16_224x224_in1k.py

Not measured yet. Train configs/msdeit_s16_224x224_in1k.py first, or name another gate with
--cfg-options model.backbone.gate.checkpoint=FILE.
"""

_base_ = ['./dyvit_s16_224x224_in1k.py', './_base_/gates/trained_in1k.py']

model = dict(backbone=dict(gate=_base_.gate))
