"""Mixed twin of vit_mini8_upernet_128x128_digit_scenes.py: it begins where that one ends, by the same recipe; tokens of
8 and 16 pixels.

python tools/train.py configs/small/vit_mini8_upernet_128x128_digit_scenes.py
python tools/train.py configs/small/msvit_mini8_upernet_128x128_digit_scenes.py

Reached 72.2 mIoU at 145 tokens and 221 MMACs on average (one seed); background everywhere scores 7.8.
"""

_base_ = ['./vit_mini8_upernet_128x128_digit_scenes.py', '../_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=_base_.gate, gate_loss=_base_.gate_loss))
load_from = 'work_dirs/vit_mini8_upernet_128x128_digit_scenes/iter_300.pth'
