"""DigitScenes at 192x192: as many digits of the same size as at 128x128, and more of the photograph around them."""

_base_ = './digit_scenes_128x128.py'

data_root = 'data/digit_scenes_192'
build = dict(_base_.build, train=1500, size=192, note_side=(24 / 192, 44 / 192))
crop_size = (192, 192)  # (height, width)

train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = crop_size  # RandomResize
train_pipeline[4].crop_size = crop_size  # RandomCrop
train_dataloader = dict(batch_size=8, dataset=dict(data_root=data_root, build=build, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, build=build))
test_dataloader = val_dataloader
