"""UPerNet on a Swin-T of MSSwin blocks, every region fine, with mmseg's auxiliary head: mmseg's own Swin recipe."""

norm_cfg = dict(type='BN')
sync_bn = 'torch'  # one batch for the norms of all processes
data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(512, 512),
)
model = dict(
    type='msvit.RaggedEncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSSwin',
        arch='swin_tiny_patch4_window7_224.ms_in1k',
        img_size=512,
        coarse_patch_size=32,
        norm_outputs=True,
        drop_path_rate=0.3,
        pretrained=True,
    ),
    decode_head=dict(
        type='UPerHead',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=384,
        in_index=2,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=150,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4),
    ),
    test_cfg=dict(mode='whole'),
)
