"""Fine-tuning a pretrained ViT classifier on a few thousand images: AdamW, two thirds at full rate, one of decay."""

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='msvit.GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}),
)
flat_epochs, max_epochs = 20, 30
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=0.5, by_epoch=True, convert_to_iter_based=True),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=flat_epochs, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
