"""SETR (progressive upsampling) on MSSwin-T on ADE20K at 512x512: regions of 16 pixels, the gate is trained along, g* = 0.5.

python tools/train.py configs/msswin_t_c16_setr_512x512_ade20k.py

Not measured yet.
"""

_base_ = ['./swin_t_setr_512x512_ade20k.py', './_base_/gates/gbas.py']

model = dict(
    backbone=dict(coarse_patch_size=16, train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss),
)
