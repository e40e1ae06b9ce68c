"""segmentor_swin_t.py for 128x128 scenes: a Swin of three stages, width 32, 0.6 M parameters."""

_base_ = './segmentor_swin_t.py'

data_preprocessor = dict(size=(128, 128))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dim=32,
            depths=(2, 2, 2),
            num_heads=(1, 2, 4),
            window_size=4,
            patch_size=4,
            weight_init='jax',  # Xavier's rule: timm's draw (deviation 0.02) is for wide Swins
        ),
        img_size=128,
        coarse_patch_size=16,
        out_indices=(0, 1, 2),
        drop_path_rate=0.0,
        pretrained=None,
    ),
)
