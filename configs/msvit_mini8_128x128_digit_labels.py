"""Mixed twin of vit_mini8_128x128_digit_labels.py: the same weights and recipe, tokens of 8 and 16 pixels.

python tools/train.py configs/msvit_mini8_128x128_digit_labels.py

Not measured yet.
"""

_base_ = ['./vit_mini8_128x128_digit_labels.py', './_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss))
