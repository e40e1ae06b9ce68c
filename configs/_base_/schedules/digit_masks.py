"""digit_scenes_new_head.py for Mask R-CNN: neck and heads learn 20 times faster than the backbone."""

_base_ = './digit_scenes_new_head.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=20.0), 'neck': dict(lr_mult=20.0)}))
