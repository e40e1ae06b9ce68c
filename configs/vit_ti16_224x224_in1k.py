"""ViT-Ti/16, dense, on ImageNet-1k: vit_s16_224x224_in1k.py at width 192.

python tools/train.py configs/vit_ti16_224x224_in1k.py

Not measured yet. The paper (Table 3) reports 76.00 top-1, 196 tokens, 1.25 GMACs; at 160x160 71.63, 100, 0.60; at 192x192
74.24, 144, 0.89.
"""

_base_ = './vit_s16_224x224_in1k.py'

model = dict(backbone=dict(arch='vit_tiny_patch16_224.augreg_in21k'), head=dict(in_channels=192))
