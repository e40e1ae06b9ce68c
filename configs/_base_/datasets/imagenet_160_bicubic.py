"""ImageNet-1k at 160x160 for DeiT: imagenet_160.py with bicubic resizing."""

_base_ = './imagenet_160.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2].interpolation = 'bicubic'  # RandomResizedCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].interpolation = 'bicubic'  # ResizeEdge

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
