"""mask_rcnn_swin_t.py for 128x128 scenes: a Swin of three stages, width 32, 0.6 M parameters, and narrow heads."""

_base_ = './mask_rcnn_swin_t.py'

strides = [4, 8, 16]
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dim=32,
            depths=(2, 2, 2),
            num_heads=(1, 2, 4),
            window_size=4,
            patch_size=4,
            weight_init='jax',  # Xavier's rule: timm's draw (deviation 0.02) is for wide Swins
        ),
        img_size=128,
        coarse_patch_size=16,
        out_indices=(0, 1, 2),
        drop_path_rate=0.0,
        pretrained='msvit://swin_mini4_digit_scenes.safetensors',  # see projects/msvit/weights/README.md
    ),
    neck=dict(in_channels=[32, 64, 128], out_channels=64, num_outs=3),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[4], ratios=[1.0], strides=strides),  # squares of 16, 32 and 64 pixels
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=strides, finest_scale=16),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=10),
        mask_roi_extractor=dict(out_channels=64, featmap_strides=strides, finest_scale=16),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=10),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=32)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=50), rcnn=dict(max_per_img=20)),
)
