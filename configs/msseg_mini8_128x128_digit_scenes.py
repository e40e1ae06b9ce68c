"""Mixed twin of the demo: the same weights and recipe as seg_mini8_128x128_digit_scenes.py, tokens of 8 and 16 pixels.

python tools/train.py configs/msseg_mini8_128x128_digit_scenes.py

Reached 90.7 mIoU at 133 tokens and 0.192 GMACs on average, in 3 minutes on two CPU cores (`make demo`).
"""

_base_ = ['./seg_mini8_128x128_digit_scenes.py', './_base_/gates/taught_by_labels.py']

# the weights to begin with are those of a trained dense model, so the gate is taught at once
model = dict(backbone=dict(gate=dict(_base_.gate, width=32, depth=1)))
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        _base_.teach_gate,
        fine_share=0.32,
        iters=600,
        # digits are read inside, not at the edge of their note
        teacher=dict(_base_.teach_gate.teacher, objects=list(range(1, 11))),
    ),
]
