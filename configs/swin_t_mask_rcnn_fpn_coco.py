"""Mask R-CNN on Swin-T, dense, on COCO, 36 epochs.

python tools/train.py configs/swin_t_mask_rcnn_fpn_coco.py

Not measured yet. mmdet reports a box AP of 46.0 and a mask AP of 41.6 for its own. It needs mmdet: see docs/plug_in.md.
"""

_base_ = [
    './_base_/models/mask_rcnn_swin_t.py',
    './_base_/datasets/coco_boxes.py',
    './_base_/schedules/coco_1x.py',
    './_base_/detection_runtime.py',
]

# boxes and masks
train_pipeline = _base_.train_pipeline
train_pipeline[2].with_mask = True
test_pipeline = _base_.test_pipeline
test_pipeline[2].with_mask = True
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = _base_.val_evaluator
val_evaluator[0].metric = ['bbox', 'segm']
test_evaluator = val_evaluator

# three times as long
max_epochs = 36
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(milestones=[27, 33], end=max_epochs)
train_cfg = dict(max_epochs=max_epochs)
