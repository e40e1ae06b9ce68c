"""Mixed twin of swin_mini4_upernet_128x128_digit_scenes.py: it begins where that one ends; regions of 16 pixels
enter at the third stage.

python tools/train.py configs/small/swin_mini4_upernet_128x128_digit_scenes.py
python tools/train.py configs/small/msswin_mini4_c16_upernet_128x128_digit_scenes.py

Reached 75.3 mIoU at 644 tokens and 66 MMACs on average (one seed); background everywhere scores 7.8.
"""

_base_ = ['./swin_mini4_upernet_128x128_digit_scenes.py', '../_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=dict(_base_.gate, hidden_dims=(32,)), gate_loss=_base_.gate_loss))
load_from = 'work_dirs/swin_mini4_upernet_128x128_digit_scenes/iter_300.pth'
