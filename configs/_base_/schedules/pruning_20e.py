"""Fine-tuning DynamicViT and EViT on ImageNet: the recipe of DeiT (section C.2); predictors learn from nothing, and faster."""

_base_ = './deit_20e.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'score_predictor': dict(lr_mult=100.0)}))
