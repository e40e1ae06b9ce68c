"""Mixed twin of vit_mini8_setr_128x128_digit_scenes.py: the same weights and recipe, tokens of 8 and 16 pixels.

python tools/train.py configs/msvit_mini8_setr_128x128_digit_scenes.py

Reached 39.7 mIoU at 141 tokens and 215 MMACs on average (one seed); background everywhere scores 7.8.
"""

_base_ = ['./vit_mini8_setr_128x128_digit_scenes.py', './_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss))
