"""Segmenter-T/16, dense, on ADE20K at 512x512: the baseline of Table 4.

python tools/train.py configs/seg_t16_512x512_ade20k.py

Not measured yet. The paper reports 38.1 mIoU, 1024 tokens, 10.4 GMACs (single scale).
"""

_base_ = './seg_s16_512x512_ade20k.py'

model = dict(
    backbone=dict(arch='vit_tiny_patch16_384.augreg_in21k_ft_in1k'),
    decode_head=dict(in_channels=192, channels=192, num_heads=3, embed_dims=192),
)
