"""Mixed twin of seg_mini8_128x128_digit_scenes.py: the same weights and recipe, tokens of 8 and 16 pixels.

python tools/train.py configs/msseg_mini8_128x128_digit_scenes.py

Reached 90.9 mIoU at 136 tokens and 0.195 GMACs on average, in 2 minutes on two CPU cores.
"""

_base_ = ['./seg_mini8_128x128_digit_scenes.py', './_base_/gates/taught_by_digits.py']

# the weights to begin with are those of a trained dense model, so the gate is taught at once
model = dict(backbone=dict(gate=_base_.gate))
custom_hooks = [*_base_.custom_hooks, dict(_base_.teach_gate, fine_share=0.32)]
