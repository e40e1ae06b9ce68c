"""DigitScenes, background and ten digits, at 128x128: generated on first use in data/digit_scenes, seconds, no download.

No flips: a mirrored digit is no digit.
"""

data_root = 'data/digit_scenes'
build = dict(train=2000, val=200, size=128, seed=0)
crop_size = (128, 128)  # (height, width)

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=crop_size, ratio_range=(1.0, 1.25), keep_ratio=True),
    dict(type='msvit.RandomCrop', crop_size=crop_size),
    dict(type='msvit.PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    sampler=dict(type='msvit.ResumableSampler', shuffle=True),
    dataset=dict(
        type='msvit.DigitScenesDataset',
        data_root=data_root,
        build=build,
        data_prefix=dict(img_path='images/train', seg_map_path='annotations/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='msvit.DigitScenesDataset',
        data_root=data_root,
        build=build,
        data_prefix=dict(img_path='images/val', seg_map_path='annotations/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
