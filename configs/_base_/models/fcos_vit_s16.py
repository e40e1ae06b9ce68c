"""FCOS behind a simple feature pyramid, on a ViT-S/16 of MSViT blocks, every region fine."""

data_preprocessor = dict(
    type='DetDataPreprocessor',
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True,
    pad_size_divisor=32,
)
model = dict(
    type='FCOS',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        arch='vit_small_patch16_384.augreg_in21k_ft_in1k',
        img_size=800,
        coarse_patch_size=32,
        train_layout='trimmed',
        drop_path_rate=0.1,
        pretrained=True,
    ),
    neck=dict(type='msvit.SimpleFeaturePyramid', in_channels=384, out_channels=256, scales=(2, 1, 0.5), num_outs=5),
    bbox_head=dict(
        type='FCOSHead',
        num_classes=80,
        in_channels=256,
        stacked_convs=4,
        feat_channels=256,
        strides=[8, 16, 32, 64, 128],
        norm_on_bbox=True,
        centerness_on_reg=True,
        center_sampling=True,
        conv_bias=True,
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=1.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    test_cfg=dict(nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), max_per_img=100),
)
