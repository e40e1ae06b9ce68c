"""UPerNet on MSSwin-S on ADE20K at 512x512: regions of 32 pixels, a frozen gate that was trained on ImageNet at 224 pixels.

python tools/train.py configs/msswin_s_c32_upernet_512x512_ade20k.py

Not measured yet. Train configs/msdeit_s16_224x224_in1k.py first, or name another gate with
--cfg-options model.backbone.gate.checkpoint=FILE.
"""

_base_ = ['./swin_s_upernet_512x512_ade20k.py', './_base_/gates/trained_in1k.py']

model = dict(backbone=dict(gate=_base_.gate))
