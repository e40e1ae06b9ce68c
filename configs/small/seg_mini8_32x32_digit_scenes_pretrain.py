"""The plain ViT that the demo starts from, first of five stages: one digit in a scene of 32x32.

python tools/train.py configs/small/seg_mini8_32x32_digit_scenes_pretrain.py --amp

A ViT from nothing learns what a digit is within minutes where there is one and little else, and hardly at all among many. So
the scenes grow, by a half at most from stage to stage: position embeddings are stretched with them, and what was learned
survives a little of that and nothing of a step from 32 to 128 pixels. An auxiliary linear head shortens the way to the
backbone.
"""

_base_ = [
    '../_base_/models/segmenter_mini8.py',
    '../_base_/datasets/digit_scenes_32x32.py',
    '../_base_/schedules/digit_scenes_pretrain.py',
    '../_base_/default_runtime.py',
]

build = dict(train=20000)
train_dataloader = dict(dataset=dict(data_root='data/digit_scenes_grow_32', build=build))
val_dataloader = dict(dataset=dict(data_root='data/digit_scenes_grow_32', build=build))
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
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=200))

# the rate hardly falls: the next stage goes on from here
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 6000
train_cfg = dict(max_iters=2000, val_interval=1000)
