"""Last stage of the pretraining: six to nine digits in a scene of 128x128, from the weights of the fourth.

python tools/train.py configs/small/seg_mini8_128x128_digit_scenes_pretrain.py --amp

Reached 78.2 mIoU on its own scenes.
"""

_base_ = ['./seg_mini8_96x96_digit_scenes_pretrain.py', '../_base_/datasets/crowded_scenes.py']

train_dataloader = dict(dataset=_base_.crowded)
val_dataloader = dict(dataset=_base_.crowded)
test_dataloader = val_dataloader

data_preprocessor = dict(size=(128, 128))
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=128))
load_from = 'work_dirs/seg_mini8_96x96_digit_scenes_pretrain/iter_400.pth'

max_iters = 1600
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=1e-5, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=400)
