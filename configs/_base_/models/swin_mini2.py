"""A classifier of 0.6 M parameters for 32x32 images: a Swin of three stages, width 32, patches of 2 pixels, 4x4 windows."""

data_preprocessor = dict(mean=[125.3, 123.0, 113.9], std=[63.0, 62.1, 66.7], to_rgb=True, num_classes=10)
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSSwin',
        arch=dict(embed_dim=32, depths=(2, 2, 2), num_heads=(1, 2, 4), window_size=4, patch_size=2, weight_init='jax'),
        img_size=32,
        coarse_patch_size=8,
        out_type='avg_featmap',
    ),
    head=dict(type='LinearClsHead', in_channels=128, num_classes=10, loss=dict(type='CrossEntropyLoss', loss_weight=1.0)),
)
