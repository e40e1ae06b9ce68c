"""Mixed twin of swin_mini4_128x128_digit_labels.py: the same weights and recipe, regions of 16 pixels enter at stage 3.

python tools/train.py configs/msswin_mini4_c16_128x128_digit_labels.py

Not measured yet.
"""

_base_ = ['./swin_mini4_128x128_digit_labels.py', './_base_/gates/gbas_short.py']

model = dict(backbone=dict(train_layout='masked', gate=dict(_base_.gate, hidden_dims=(32,)), gate_loss=_base_.gate_loss))
