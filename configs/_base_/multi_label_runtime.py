"""classification_runtime.py by iterations, for images with several labels."""

_base_ = './classification_runtime.py'

log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False, interval=20),
    checkpoint=dict(by_epoch=False, interval=100, save_best='multi-label/mAP'),
)
