"""Mixed twin of the demo: the same weights and recipe as seg_mini8_128x128_digit_scenes.py, tokens of 8 and 16 pixels.

python tools/train.py configs/msseg_mini8_128x128_digit_scenes.py

Reached 32.2 mIoU at 162 tokens and 0.251 GMACs on average, in 6 minutes on two CPU cores (`make demo`).
"""

_base_ = ['./seg_mini8_128x128_digit_scenes.py', './_base_/gates/gbas.py']

model = dict(
    backbone=dict(
        train_layout='masked',  # both scales compete in every region, so that minutes are enough for the gate
        gate=dict(_base_.gate, init_p_fine=0.7),
        gate_loss=dict(_base_.gate_loss, target=0.25),
    )
)
