"""Clothing Co-Parsing, 17 classes, at 384x576 (width x height): 32 divides both sides.

Expects data/ccp/{images,annotations}/{train,val}, see `msvit.CCPDataset`. The pictures are 384 wide and about 576 high; for
testing they are stretched by 2 % in height at most, and scored at their own size.
"""

_base_ = './camvid_480x352.py'

data_root = 'data/ccp'
crop_size = (576, 384)  # (height, width)

train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = (384, 590)  # RandomResize
train_pipeline[4].crop_size = crop_size  # RandomCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = crop_size[::-1]  # Resize

train_dataloader = dict(dataset=dict(type='msvit.CCPDataset', data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type='msvit.CCPDataset', data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
