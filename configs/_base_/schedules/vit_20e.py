"""Fine-tuning a ViT on ImageNet (section C.1): SGD, half an epoch of warm-up, cosine decay, 20 epochs of batch 512."""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=0.0),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys={'gate': dict(lr_mult=1.0)}),  # the gate's own parameter groups, for GateWarmupHook
)
max_epochs = 20
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=0.5, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0.0, begin=0.5, end=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=512)
