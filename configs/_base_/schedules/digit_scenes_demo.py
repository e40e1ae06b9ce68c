"""A few minutes of fine-tuning on two CPU cores: AdamW, a higher rate for the gate, cosine decay."""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(
        custom_keys={
            'backbone.gate': dict(lr_mult=10.0, decay_mult=0.0),
            'backbone.gate_loss': dict(lr_mult=100.0, decay_mult=0.0),  # the priors are a few statistics
        }
    ),
)
max_iters = 160
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0.0, begin=20, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
