"""mmdet's recipe for Swin on COCO: AdamW, 1000 iterations of warm-up, two steps, 12 epochs of batches of 16."""

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='msvit.GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05, fused=True),
    paramwise_cfg=dict(
        custom_keys={
            'pos_embed': dict(decay_mult=0.0),
            'cls_token': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
            'norm': dict(decay_mult=0.0),
            'coarse_embed': dict(lr_mult=10.0),  # new beside a pretrained backbone, as the gate is
            'fills': dict(lr_mult=10.0),
            'backbone.gate': dict(lr_mult=10.0, decay_mult=0.0),
        }
    ),
)
max_epochs = 12
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, begin=0, end=1000, by_epoch=False),
    dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, begin=0, end=max_epochs, by_epoch=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=16)
