"""Third stage of the pretraining: two or three digits in a scene of 64x64, from the weights of the second.

python tools/train.py configs/small/seg_mini8_64x64_digit_scenes_pretrain.py --amp

Reached 47.4 mIoU on its own scenes.
"""

_base_ = './seg_mini8_48x48_digit_scenes_pretrain.py'

build = dict(train=8000, size=64, digits_per_scene=(2, 3), note_side=(24 / 64, 44 / 64))
train_dataloader = dict(batch_size=32, dataset=dict(data_root='data/digit_scenes_grow_64', build=build))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_grow_64', build=build))
test_dataloader = val_dataloader

data_preprocessor = dict(size=(64, 64))
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=64))
load_from = 'work_dirs/seg_mini8_48x48_digit_scenes_pretrain/iter_400.pth'
train_cfg = dict(max_iters=400)
