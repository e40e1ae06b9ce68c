"""A ViT-Ti/16 classifier: vit_s16.py at width 192."""

_base_ = './vit_s16.py'

model = dict(backbone=dict(arch='vit_tiny_patch16_224.augreg_in21k'), head=dict(in_channels=192))
