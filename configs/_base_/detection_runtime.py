"""default_runtime.py by epochs, in mmdet's scope."""

_base_ = './default_runtime.py'

default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
log_processor = dict(by_epoch=True)
tta_model = dict(type='DetTTAModel', tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1, save_best='coco/bbox_mAP'),
)
