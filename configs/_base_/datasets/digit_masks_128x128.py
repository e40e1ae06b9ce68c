"""digit_boxes_128x128.py with masks, for Mask R-CNN."""

_base_ = './digit_boxes_128x128.py'

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
