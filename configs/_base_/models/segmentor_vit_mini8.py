"""segmentor_vit_s16.py for 128x128 scenes: width 128, 6 blocks, patches of 8 pixels."""

_base_ = './segmentor_vit_s16.py'

data_preprocessor = dict(size=(128, 128))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        arch=dict(_delete_=True, embed_dim=128, depth=6, num_heads=4, patch_size=8),
        img_size=128,
        coarse_patch_size=16,
        drop_path_rate=0.0,
        pretrained=None,
    ),
    test_cfg=dict(_delete_=True, mode='whole'),
)
