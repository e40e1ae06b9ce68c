"""The plain ViT that the demo starts from, first of three stages: one digit in a scene of 32x32.

python tools/train.py configs/seg_mini8_32x32_digit_scenes_pretrain.py

Reached 60.9 mIoU on its own scenes.

A ViT from nothing learns what a digit is within minutes where there is one and little else, and hardly at all among many. An
auxiliary linear head shortens the way to the backbone.
"""

_base_ = ['./_base_/models/segmenter_mini8.py', './_base_/datasets/digit_scenes_128x128.py', './_base_/default_runtime.py']

build = dict(train=6000, val=300, size=32, digits_per_scene=(1, 1), note_side=(0.75, 1.0))
train_pipeline = _base_.train_pipeline
del train_pipeline[3:5]  # RandomResize and RandomCrop would cut digits
train_dataloader = dict(batch_size=64, dataset=dict(data_root='data/digit_scenes_32', build=build, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_32', build=build))
test_dataloader = val_dataloader

data_preprocessor = dict(size=(32, 32))
model = dict(
    data_preprocessor=data_preprocessor,
    # Xavier's rule: timm's draw (deviation 0.02) is for wide ViTs and holds this narrow one up for hundreds of iterations
    backbone=dict(img_size=32, arch=dict(weight_init='jax')),
    neck=dict(type='msvit.ReplicateTokens'),
    decode_head=dict(type='SegmenterMaskTransformerHead'),  # the same parameters, on maps
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=128,
        channels=128,
        in_index=-1,
        num_classes=11,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.02),
    clip_grad=dict(max_norm=1.0),
)
max_iters = 600
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=1e-5, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=200))
