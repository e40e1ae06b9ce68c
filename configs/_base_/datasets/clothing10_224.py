"""Clothing photographs of 10 classes (clothing-dataset-small, CC0), at 224x224: crop and flip, bicubic.

Expects data/clothing10/{train,val}/<class>/*.jpg.
"""

_base_ = './imagenet_bicubic.py'

data_root = 'data/clothing10'
folder = dict(_delete_=True, type='msvit.ImageFolderDataset', data_root=data_root)

train_pipeline = _base_.train_pipeline
train_pipeline[2].crop_ratio_range = (0.35, 1.0)  # RandomResizedCrop
test_pipeline = _base_.test_pipeline

train_dataloader = dict(
    batch_size=32, num_workers=2, drop_last=True, dataset=dict(folder, data_prefix='train', pipeline=train_pipeline)
)
val_dataloader = dict(batch_size=32, num_workers=2, dataset=dict(folder, data_prefix='val', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
