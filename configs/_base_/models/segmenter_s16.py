"""Segmenter-S/16 with a mask transformer on MSViT blocks, every region fine: the dense model that mixed scale starts from."""

data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(512, 512),
)
model = dict(
    type='msvit.RaggedEncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        arch='vit_small_patch16_384.augreg_in21k_ft_in1k',
        img_size=512,
        coarse_patch_size=32,
        train_layout='trimmed',
        out_type='tokens',
        drop_path_rate=0.1,
        pretrained=True,
    ),
    decode_head=dict(
        type='msvit.MixedScaleSegmenterHead',
        in_channels=384,
        channels=384,
        in_index=-1,
        num_classes=150,
        num_layers=2,
        num_heads=6,
        embed_dims=384,
        dropout_ratio=0.0,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(480, 480)),
)
