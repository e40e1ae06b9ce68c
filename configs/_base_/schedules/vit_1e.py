"""vit_20e.py in small: one epoch of batch 128, for CIFAR-10 on a CPU."""

_base_ = './vit_20e.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'gate': dict(lr_mult=5.0)}))  # it learns from nothing, in 390 steps
max_epochs = 1
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = 0.05
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=128)
