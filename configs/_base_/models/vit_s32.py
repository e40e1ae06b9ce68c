"""A ViT-S/32 classifier: vit_s16.py with patches of 32 and 64 pixels."""

_base_ = './vit_s16.py'

model = dict(backbone=dict(arch='vit_small_patch32_224.augreg_in21k', coarse_patch_size=64))
