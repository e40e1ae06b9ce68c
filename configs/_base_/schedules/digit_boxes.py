"""digit_scenes_demo.py for detectors: neck and heads start from nothing behind a trained backbone, at five times its rate."""

_base_ = './digit_scenes_demo.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=5.0), 'neck': dict(lr_mult=5.0)}))
