"""Last stage of the small Swin's pretraining: six to nine digits in a scene of 128x128, from the weights of the second.

python tools/train.py configs/small/swin_mini4_128x128_digit_scenes_pretrain.py

Reached 70.4 mIoU on its own scenes.
"""

_base_ = ['./swin_mini4_64x64_digit_scenes_pretrain.py', '../_base_/datasets/crowded_scenes.py']

train_dataloader = dict(batch_size=16, dataset=_base_.crowded)
val_dataloader = dict(dataset=_base_.crowded)
test_dataloader = val_dataloader

data_preprocessor = dict(size=(128, 128))
model = dict(data_preprocessor=data_preprocessor)
load_from = 'work_dirs/swin_mini4_64x64_digit_scenes_pretrain/iter_600.pth'
