"""Segmenter-S/14 on DINOv2's ViT-S/14: segmenter_s16.py with patches of 14 pixels, regions of 28, and ImageNet's
normalisation."""

_base_ = './segmenter_s16.py'

data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], size=(336, 448))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(arch='vit_small_patch14_dinov2.lvd142m', img_size=518, coarse_patch_size=28, drop_path_rate=0.0),
    decode_head=dict(num_classes=11, drop_path_rate=0.0),
    test_cfg=dict(_delete_=True, mode='whole'),
)
