"""ViT-L/16, dense, on ImageNet-1k: vit_s16_224x224_in1k.py at width 1024 and depth 24.

MSVIT_IMG_SIZE=160 python tools/train.py configs/vit_l16_224x224_in1k.py

Not measured yet. The paper (Table 3) reports at 160x160 81.70 top-1, 100 tokens, 31.08 GMACs; at 192x192 82.91, 144, 44.9.
"""

_base_ = './vit_s16_224x224_in1k.py'

model = dict(backbone=dict(arch='vit_large_patch16_224.augreg_in21k'), head=dict(in_channels=1024))
