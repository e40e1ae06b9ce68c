"""MSSwin-S on ImageNet-1k at 224x224: regions of 16 pixels enter at the third stage, the gate is trained along, g* = 0.5.

python tools/train.py configs/msswin_s_c16_224x224_in1k.py

Not measured yet.
"""

_base_ = ['./swin_s_224x224_in1k.py', './_base_/gates/gbas.py']

model = dict(
    backbone=dict(coarse_patch_size=16, train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss),
)
custom_hooks = [*_base_.custom_hooks, _base_.gate_warmup]
