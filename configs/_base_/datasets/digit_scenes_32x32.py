"""DigitScenes with one digit in a scene of 32x32, for pretraining: generated on first use in data/digit_scenes_32."""

_base_ = './digit_scenes_128x128.py'

build = dict(train=6000, val=300, size=32, digits_per_scene=(1, 1), note_side=(0.75, 1.0))
train_pipeline = _base_.train_pipeline
del train_pipeline[3:5]  # RandomResize and RandomCrop would cut digits
train_dataloader = dict(batch_size=64, dataset=dict(data_root='data/digit_scenes_32', build=build, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_32', build=build))
test_dataloader = val_dataloader
