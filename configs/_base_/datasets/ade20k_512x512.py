"""ADE20K, 150 classes, at crops of 512x512: mmseg's pipeline for Segmenter.

Expects data/ade/ADEChallengeData2016/{images,annotations}/{training,validation}. Batch 8 in total on one process.
Worker processes are not kept: training starts them once anyway, and ``num_workers=0`` is then all that a debugger needs.
"""

data_root = 'data/ade/ADEChallengeData2016'
crop_size = (512, 512)  # (height, width)

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='msvit.RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='msvit.PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadAnnotations'),  # after Resize: scored at the original resolution
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='msvit.ResumableSampler', shuffle=True),
    dataset=dict(
        type='msvit.ADE20KDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training'),
        reduce_zero_label=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='msvit.ADE20KDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation'),
        reduce_zero_label=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
