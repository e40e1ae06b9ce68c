"""Last stage of the small Swin's pretraining: six to nine digits in a scene of 128x128, from the weights of the second.

python tools/train.py configs/swin_mini4_128x128_digit_scenes_pretrain.py

Reached 70.4 mIoU on its own scenes.
"""

_base_ = './swin_mini4_64x64_digit_scenes_pretrain.py'

build = dict(size=128, digits_per_scene=(6, 9), note_side=(24 / 128, 44 / 128))
train_dataloader = dict(batch_size=16, dataset=dict(data_root='data/digit_scenes_crowded', build=build))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_crowded', build=build))
test_dataloader = val_dataloader

data_preprocessor = dict(size=(128, 128))
model = dict(data_preprocessor=data_preprocessor)
load_from = 'work_dirs/swin_mini4_64x64_digit_scenes_pretrain/iter_600.pth'
