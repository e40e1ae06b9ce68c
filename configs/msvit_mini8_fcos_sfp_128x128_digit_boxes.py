"""Mixed twin of vit_mini8_fcos_sfp_128x128_digit_boxes.py: the same weights and recipe, tokens of 8 and 16 pixels.

python tools/train.py configs/msvit_mini8_fcos_sfp_128x128_digit_boxes.py

Reached a box AP of 44.0 at 153 tokens and 234 MMACs on average (one seed).
"""

_base_ = ['./vit_mini8_fcos_sfp_128x128_digit_boxes.py', './_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss))
