"""Fourth stage of the pretraining: three to five digits in a scene of 96x96, from the weights of the third.

python tools/train.py configs/small/seg_mini8_96x96_digit_scenes_pretrain.py --amp

Reached 28.0 mIoU on its own scenes, and learned them with the last stage.
"""

_base_ = './seg_mini8_64x64_digit_scenes_pretrain.py'

build = dict(train=8000, size=96, digits_per_scene=(3, 5), note_side=(24 / 96, 44 / 96))
train_dataloader = dict(batch_size=16, dataset=dict(data_root='data/digit_scenes_grow_96', build=build))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_grow_96', build=build))
test_dataloader = val_dataloader

data_preprocessor = dict(size=(96, 96))
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=96))
load_from = 'work_dirs/seg_mini8_64x64_digit_scenes_pretrain/iter_400.pth'
train_cfg = dict(max_iters=400)
