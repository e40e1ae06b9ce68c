"""Fine-tuning a pretrained ViT on a few hundred images: AdamW, higher rates for what starts from nothing, poly decay."""

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='msvit.GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=3e-5, weight_decay=0.01, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(
        custom_keys={
            'backbone.gate': dict(lr_mult=20.0, decay_mult=0.0),
            'backbone.gate_loss': dict(lr_mult=200.0, decay_mult=0.0),  # the priors are a few statistics
            'decode_head': dict(lr_mult=10.0),
        }
    ),
)
max_iters = 4000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=100, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
