"""imagenet.py with bicubic resizing, as DeiT has it."""

_base_ = './imagenet.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2].interpolation = 'bicubic'  # RandomResizedCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].interpolation = 'bicubic'  # ResizeEdge

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
