"""Run-time settings that all classification configs share: default_runtime.py by epochs, in mmpretrain's scope."""

_base_ = './default_runtime.py'

default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer')
log_processor = dict(by_epoch=True)
tta_model = dict(type='AverageClsScoreTTA')
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1, save_best='accuracy/top1'),
)
