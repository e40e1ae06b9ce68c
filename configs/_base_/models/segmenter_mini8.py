"""A Segmenter of 1.7 M parameters for 128x128 scenes: ViT of width 128, 6 blocks, patches of 8 pixels; every region fine."""

data_preprocessor = dict(
    type='SegDataPreProcessor',
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(128, 128),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        arch=dict(embed_dim=128, depth=6, num_heads=4, patch_size=8),
        img_size=128,
        coarse_patch_size=16,
        train_layout='trimmed',
        out_type='tokens',
    ),
    decode_head=dict(
        type='msvit.MixedScaleSegmenterHead',
        in_channels=128,
        channels=128,
        in_index=-1,
        num_classes=11,
        num_layers=2,
        num_heads=4,
        embed_dims=128,
        drop_path_rate=0.0,
        dropout_ratio=0.0,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    test_cfg=dict(mode='whole'),
)
