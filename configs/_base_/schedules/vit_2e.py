"""vit_20e.py in small: 2 epochs of batch 128, for CIFAR-10 on a CPU."""

_base_ = './vit_20e.py'

max_epochs = 2
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = 0.05
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
auto_scale_lr = dict(base_batch_size=128)
