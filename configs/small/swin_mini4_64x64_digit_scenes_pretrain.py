"""Second stage of the small Swin's pretraining: a few digits in a scene of 64x64, from the weights of the first.

python tools/train.py configs/small/swin_mini4_64x64_digit_scenes_pretrain.py

Reached 56.9 mIoU on its own scenes.
"""

_base_ = './swin_mini4_32x32_digit_scenes_pretrain.py'

build = dict(size=64, digits_per_scene=(2, 3), note_side=(24 / 64, 44 / 64))
train_dataloader = dict(batch_size=32, dataset=dict(data_root='data/digit_scenes_64', build=build))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_64', build=build))
test_dataloader = val_dataloader

data_preprocessor = dict(size=(64, 64))
model = dict(data_preprocessor=data_preprocessor)
load_from = 'work_dirs/swin_mini4_32x32_digit_scenes_pretrain/iter_600.pth'
