"""DigitScenes at 128x128 for multi-label classification: which of ten digits a scene holds; see digit_scenes_128x128.py."""

data_root = 'data/digit_scenes'
build = dict(train=2000, val=200, size=128, seed=0)
img_size = 128

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='RandomCrop', crop_size=img_size, padding=8, padding_mode='reflect'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile', imdecode_backend='pillow'), dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='msvit.ResumableSampler', shuffle=True),
    dataset=dict(
        type='msvit.DigitLabelsDataset',
        data_root=data_root,
        build=build,
        ann_file='labels_train.json',
        data_prefix='images/train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=20,
    num_workers=2,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='msvit.DigitLabelsDataset',
        data_root=data_root,
        build=build,
        ann_file='labels_val.json',
        data_prefix='images/val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type='AveragePrecision'), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator
