"""Mixed twin of vit_mini8_128x128_digit_labels.py: the same weights and recipe, tokens of 8 and 16 pixels.

python tools/train.py configs/msvit_mini8_linear_128x128_digit_scenes.py
python tools/train.py configs/msvit_mini8_128x128_digit_labels.py

Reached 50.4 mAP at 148 tokens and 226 MMACs on average (one seed); chance has 19.

The gate is that of a segmentor, frozen: in minutes labels of whole images teach a gate nothing.
"""

_base_ = './vit_mini8_128x128_digit_labels.py'

model = dict(backbone=dict(gate='work_dirs/msvit_mini8_linear_128x128_digit_scenes/iter_300.pth'))
