"""A second round of the last stage of the pretraining, with a new rise and fall of the learning rate.

python tools/train.py configs/seg_mini8_128x128_digit_scenes_pretrain_again.py

Reached 25.0 mIoU on its own scenes.
"""

_base_ = './seg_mini8_128x128_digit_scenes_pretrain.py'

load_from = 'work_dirs/seg_mini8_128x128_digit_scenes_pretrain/iter_600.pth'
