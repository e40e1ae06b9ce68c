"""A Swin-T of MSSwin blocks, every region fine, for mmseg's heads: mmseg's own Swin recipe, without its heads."""

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
    test_cfg=dict(mode='whole'),
)
