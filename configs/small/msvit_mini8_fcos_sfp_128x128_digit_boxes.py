"""Mixed twin of vit_mini8_fcos_sfp_128x128_digit_boxes.py: it begins where that one ends, by the same recipe; tokens of
8 and 16 pixels.

python tools/train.py configs/small/vit_mini8_fcos_sfp_128x128_digit_boxes.py
python tools/train.py configs/small/msvit_mini8_fcos_sfp_128x128_digit_boxes.py

Reached a box AP of 69.5 at 128 tokens and 193 MMACs on average (one seed).
"""

_base_ = ['./vit_mini8_fcos_sfp_128x128_digit_boxes.py', '../_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss))
load_from = 'work_dirs/vit_mini8_fcos_sfp_128x128_digit_boxes/iter_300.pth'
