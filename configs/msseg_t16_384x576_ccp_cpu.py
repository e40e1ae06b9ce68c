"""Mixed twin of seg_t16_384x576_ccp_cpu.py: the same recipe, from two thirds of it on with tokens of 16 and 32 pixels.

python tools/train.py configs/msseg_t16_384x576_ccp_cpu.py

Reached 44.4 mIoU (43.6 to 44.8, 3 seeds) at 566 tokens and 4.61 GMACs, see docs/accuracy.md.
"""

_base_ = ['./seg_t16_384x576_ccp_cpu.py', './_base_/gates/taught_by_labels.py']

model = dict(backbone=dict(gate=_base_.gate, out_type='tokens'), neck=dict(type='msvit.UnfoldTokens', in_channels=192))
custom_hooks = [*_base_.custom_hooks, dict(_base_.teach_gate, begin=_base_.flat_iters)]
