"""ImageNet-1k at 128x128: imagenet_224.py at another size."""

_base_ = './imagenet_224.py'
img_size = 128

train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = img_size  # RandomResizedCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = round(img_size / 0.875)  # ResizeEdge
test_pipeline[2].crop_size = img_size  # CenterCrop

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
