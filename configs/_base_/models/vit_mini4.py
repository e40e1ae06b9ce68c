"""A classifier of 0.45 M parameters for 32x32 images: a plain ViT of width 96, 4 blocks, patches of 4 pixels."""

data_preprocessor = dict(mean=[125.3, 123.0, 113.9], std=[63.0, 62.1, 66.7], to_rgb=True, num_classes=10)
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        # Xavier's rule: timm's draw (deviation 0.02) is for wide ViTs
        arch=dict(embed_dim=96, depth=4, num_heads=3, patch_size=4, weight_init='jax'),
        img_size=32,
        coarse_patch_size=8,
        train_layout='trimmed',
        out_type='cls_token',
    ),
    head=dict(type='LinearClsHead', in_channels=96, num_classes=10, loss=dict(type='CrossEntropyLoss', loss_weight=1.0)),
)
