"""digit_boxes_128x128.py with masks, for Mask R-CNN; it learns from the crowded scenes of digit_scenes_crowded_128x128.py."""

_base_ = './digit_boxes_128x128.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2].with_mask = True
test_pipeline = _base_.test_pipeline
test_pipeline[2].with_mask = True
crowded = dict(train=6000, val=300, size=128, seed=0, digits_per_scene=(6, 9), note_side=(24 / 128, 44 / 128))
train_dataloader = dict(dataset=dict(data_root='data/digit_scenes_crowded', build=crowded, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = _base_.val_evaluator
val_evaluator[0].metric = ['bbox', 'segm']
test_evaluator = val_evaluator
