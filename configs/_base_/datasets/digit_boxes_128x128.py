"""DigitScenes at 128x128 as a detection data set, ten digits, boxes; see digit_scenes_128x128.py.

Detectors learn from the crowded scenes of crowded_scenes.py and are tested on ordinary ones.

No flips: a mirrored digit is no digit.
"""

_base_ = './crowded_scenes.py'

data_root = 'data/digit_scenes'
build = dict(train=2000, val=200, size=128, seed=0)
crop_size = (128, 128)  # (height, width)

train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=crop_size, ratio_range=(1.0, 1.25), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, allow_negative_crop=True),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
test_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=crop_size, keep_ratio=True),  # changes nothing, but mmdet's heads ask for its scale factor
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    sampler=dict(type='msvit.ResumableSampler', shuffle=True),
    dataset=dict(
        _base_.crowded,
        type='msvit.DigitBoxesDataset',
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='images/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='msvit.DigitBoxesDataset',
        data_root=data_root,
        build=build,
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='images/val'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [
    dict(type='CocoMetric', ann_file=f'{data_root}/annotations/instances_val.json', metric=['bbox']),
    dict(type='msvit.TokenMetric'),
]
test_evaluator = val_evaluator
