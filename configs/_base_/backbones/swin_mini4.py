"""A Swin of three stages for 128x128 scenes, width 32, 0.6 M parameters; regions of 16 pixels enter at the last stage."""

backbone = dict(
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
)
