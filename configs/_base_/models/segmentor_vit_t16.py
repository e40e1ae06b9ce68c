"""A ViT-Ti/16 of MSViT blocks under a linear head, every region fine: segmentor_vit_s16.py at width 192, whole images."""

_base_ = ['./segmentor_vit_s16.py', '../heads/linear.py']

model = dict(
    backbone=dict(arch='vit_tiny_patch16_224.augreg_in21k_ft_in1k', drop_path_rate=0.0, train_layout='packed'),
    decode_head=dict(_base_.decode_head, in_channels=192, channels=192),
    test_cfg=dict(_delete_=True, mode='whole'),
)
