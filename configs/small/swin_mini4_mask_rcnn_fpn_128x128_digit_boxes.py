"""Mask R-CNN on a small Swin, fine-tuned on DigitScenes' boxes and masks.

python tools/train.py configs/small/swin_mini4_mask_rcnn_fpn_128x128_digit_boxes.py

Reached a box AP of 85.5 and a mask AP of 88.2 at 1024 tokens and 85 MMACs (one seed).
"""

_base_ = [
    '../_base_/models/mask_rcnn_swin_t.py',
    '../_base_/backbones/swin_mini4.py',
    '../_base_/datasets/digit_boxes_128x128.py',
    '../_base_/schedules/digit_scenes_new_head.py',
    '../_base_/detection_runtime.py',
]

strides = [4, 8, 16]
model = dict(
    backbone=dict(
        _base_.backbone,
        pretrained='msvit://swin_mini4_digit_scenes.safetensors',  # see projects/msvit/weights/README.md
    ),
    neck=dict(in_channels=[32, 64, 128], out_channels=64, num_outs=3),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[4], ratios=[1.0], strides=strides),  # squares of 16, 32 and 64 pixels
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=strides),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=10),
        mask_roi_extractor=dict(out_channels=64, featmap_strides=strides),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=10),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=64, pos_fraction=0.5)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=50), rcnn=dict(max_per_img=20)),
)
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=100),
)

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
