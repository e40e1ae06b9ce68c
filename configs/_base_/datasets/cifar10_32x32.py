"""CIFAR-10, 10 classes, at its own 32x32 pixels, crop and flip. Resize changes nothing there: it serves sweeps over sizes.

Expects data/cifar10/{train,test}/<class>/*.jpg (or .png).
"""

data_root = 'data/cifar10'
img_size = 32

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=img_size),
    dict(type='RandomCrop', crop_size=img_size, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=img_size), dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=128,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    sampler=dict(type='msvit.ResumableEpochSampler', shuffle=True),
    dataset=dict(type='msvit.ImageFolderDataset', data_root=data_root, data_prefix='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='msvit.ImageFolderDataset', data_root=data_root, data_prefix='test', pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
