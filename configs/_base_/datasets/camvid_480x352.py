"""CamVid, 11 classes, at 480x352 (width x height): 32 divides both sides, for patch 16 and coarse patch 32.

Expects data/camvid/{images,annotations}/{train,val}, as tools/dataset_converters/camvid.py makes it. The 480x360 pictures are
squeezed by 2 % in height for testing, and scored at their own size. Light augmentation without padding, for 367 pictures.
"""

data_root = 'data/camvid'
crop_size = (352, 480)  # (height, width)

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='msvit.RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='msvit.PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=crop_size[::-1], keep_ratio=False),
    dict(type='LoadAnnotations'),  # after Resize: scored at the original resolution
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='msvit.ResumableSampler', shuffle=True),
    dataset=dict(
        type='msvit.CamVidDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/train', seg_map_path='annotations/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='msvit.CamVidDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/val', seg_map_path='annotations/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
