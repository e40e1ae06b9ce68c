"""Segmenter-T/16: segmenter_s16.py at width 192."""

_base_ = './segmenter_s16.py'

model = dict(
    backbone=dict(arch='vit_tiny_patch16_384.augreg_in21k_ft_in1k'),
    decode_head=dict(in_channels=192, channels=192, num_heads=3, embed_dims=192),
)
