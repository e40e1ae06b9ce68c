"""ImageNet-1k, 1000 classes, at 224x224 or at the size that the environment variable MSVIT_IMG_SIZE names: crop and flip,
bilinear.

Expects data/imagenet/{train,val}/<class>/*.JPEG. Batch 512 in total on one process; on 8 GPUs set batch_size=64.
"""

data_root = 'data/imagenet'
img_size = int('{{$MSVIT_IMG_SIZE:224}}')  # mmengine puts the variable in; all else follows from it

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    # crops as in the official ViT repository
    dict(type='RandomResizedCrop', scale=img_size, crop_ratio_range=(0.05, 1.0), backend='pillow', interpolation='bilinear'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='ResizeEdge', scale=round(img_size / 0.875), edge='short', backend='pillow', interpolation='bilinear'),
    dict(type='CenterCrop', crop_size=img_size),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=512,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='msvit.ResumableEpochSampler', shuffle=True),
    dataset=dict(type='msvit.ImageNetDataset', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='msvit.ImageNetDataset', data_root=data_root, split='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
