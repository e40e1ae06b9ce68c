"""The plain ViT that the demo starts from, trained from nothing on crowded DigitScenes.

python tools/train.py configs/seg_mini8_128x128_digit_scenes_pretrain.py

Six to nine digits a scene show the model four times as many digits per second as ordinary scenes do. An auxiliary linear head
reads the replicated map, and weights are drawn by Xavier's rule: with the mask transformer alone, or with timm's draw for wide
ViTs (deviation 0.02), this narrow one stays on a plateau for hundreds of iterations.
"""

_base_ = ['./_base_/models/segmenter_mini8.py', './_base_/datasets/digit_scenes_128x128.py', './_base_/default_runtime.py']

build = dict(train=6000, val=200, digits_per_scene=(6, 9))
train_pipeline = _base_.train_pipeline
del train_pipeline[3:5]  # RandomResize and RandomCrop would cut digits
train_dataloader = dict(dataset=dict(data_root='data/digit_scenes_crowded', build=build, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_crowded', build=build))
test_dataloader = val_dataloader

model = dict(
    backbone=dict(arch=dict(weight_init='jax')),
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
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.02),
    clip_grad=dict(max_norm=1.0),
)
max_iters = 2400
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=200, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=1e-5, begin=200, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(interval=500))
