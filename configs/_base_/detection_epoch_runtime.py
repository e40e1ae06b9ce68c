"""detection_runtime.py by epochs."""

_base_ = './detection_runtime.py'

log_processor = dict(by_epoch=True)
default_hooks = dict(logger=dict(log_metric_by_epoch=True), checkpoint=dict(by_epoch=True, interval=1))
