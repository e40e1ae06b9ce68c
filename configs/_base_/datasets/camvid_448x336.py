"""CamVid, 11 classes, at 448x336 (width x height): 28 divides both sides, for patch 14 and coarse patch 28.

Differs from camvid_480x352.py in the sizes alone.
"""

_base_ = './camvid_480x352.py'
crop_size = (336, 448)  # (height, width)

train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = (448, 336)  # RandomResize
train_pipeline[4].crop_size = crop_size  # RandomCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (448, 336)  # Resize

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
