"""fcos_vit_s16.py for 128x128 scenes: the plain ViT of the demo (width 128, 6 blocks, patches of 8 pixels), two levels."""

_base_ = './fcos_vit_s16.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dim=128, depth=6, num_heads=4, patch_size=8),
        img_size=128,
        coarse_patch_size=16,
        drop_path_rate=0.0,
        pretrained='msvit://seg_mini8_digit_scenes.safetensors',  # see projects/msvit/weights/README.md
    ),
    neck=dict(in_channels=128, out_channels=64, scales=(1, 0.5), num_outs=2),
    bbox_head=dict(
        num_classes=10,
        in_channels=64,
        stacked_convs=2,
        feat_channels=64,
        strides=[8, 16],
        regress_ranges=((-1, 32), (32, 1e8)),
    ),
    test_cfg=dict(max_per_img=20),
)
