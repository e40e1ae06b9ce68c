"""A multi-label classifier for 128x128 scenes, on the plain ViT of the demo (width 128, 6 blocks, patches of 8 pixels)."""

data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True, num_classes=10)
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        arch=dict(embed_dim=128, depth=6, num_heads=4, patch_size=8),
        img_size=128,
        coarse_patch_size=16,
        train_layout='trimmed',
        out_type='cls_token',
        pretrained='msvit://seg_mini8_digit_scenes.safetensors',
    ),
    head=dict(type='MultiLabelLinearClsHead', in_channels=128, num_classes=10),
)
