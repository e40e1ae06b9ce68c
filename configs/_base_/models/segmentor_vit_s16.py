"""A ViT-S/16 of MSViT blocks, every region fine, for mmseg's heads: the dense model that mixed scale starts from, without
its head."""

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
        out_type='featmap',
        drop_path_rate=0.1,
        pretrained=True,
    ),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(480, 480)),
)
