"""Fine-tuning a Swin on ImageNet: the recipe of DeiT (section C.2); what is new in it, the coarse embedding, learns faster."""

_base_ = './deit_20e.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'coarse_embed': dict(lr_mult=50.0)}))
