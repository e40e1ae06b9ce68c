"""Second stage of the pretraining: one digit anywhere in a scene of 48x48, from the weights of the first.

python tools/train.py configs/small/seg_mini8_48x48_digit_scenes_pretrain.py --amp

Reached 72.6 mIoU on its own scenes.
"""

_base_ = './seg_mini8_32x32_digit_scenes_pretrain.py'

build = dict(train=12000, size=48, digits_per_scene=(1, 1), note_side=(24 / 48, 44 / 48))
train_dataloader = dict(dataset=dict(data_root='data/digit_scenes_grow_48', build=build))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_grow_48', build=build))
test_dataloader = val_dataloader

data_preprocessor = dict(size=(48, 48))
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=48))
load_from = 'work_dirs/seg_mini8_32x32_digit_scenes_pretrain/iter_2000.pth'

optim_wrapper = dict(optimizer=dict(lr=7e-4))
param_scheduler = [dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False)]  # and then as high as it is
train_cfg = dict(max_iters=400)
