"""Fine-tuning a pretrained ViT under a linear head on a few hundred images: AdamW, two thirds at full rate, one of decay.

The flat part is the same for every length of the whole, so that twins may share it.
"""

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='msvit.GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=10.0), 'neck': dict(lr_mult=2.0)}),
)
flat_iters, max_iters = 2600, 4000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=flat_iters, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
