"""default_runtime.py in mmdet's scope."""

_base_ = './default_runtime.py'

default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
tta_model = dict(type='DetTTAModel', tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))
default_hooks = dict(checkpoint=dict(save_best='coco/bbox_mAP'))
