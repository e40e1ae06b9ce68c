"""coco_1x.py, three times as long."""

_base_ = './coco_1x.py'

max_epochs = 36
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(milestones=[27, 33], end=max_epochs)
train_cfg = dict(max_epochs=max_epochs)
