"""A ViT-L/16 classifier: vit_s16.py at width 1024 and depth 24."""

_base_ = './vit_s16.py'

model = dict(backbone=dict(arch='vit_large_patch16_224.augreg_in21k'), head=dict(in_channels=1024))
