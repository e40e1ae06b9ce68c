"""mask_rcnn_swin_t.py for 128x128 scenes, on a small Swin, with narrow heads."""

_base_ = ['./mask_rcnn_swin_t.py', '../backbones/swin_mini4.py']

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
