"""EViT on DeiT-S/16, ImageNet-1k at 224x224: in blocks 4, 7 and 10 a share of 0.7 of the tokens stays.

python tools/train.py configs/evit_s16_224x224_in1k.py

Not measured yet. EViT's paper reports 79.5 top-1 at 3.0 GMACs.
"""

_base_ = './deit_s16_224x224_in1k.py'

model = dict(backbone=dict(type='msvit.MSEViT', keep_rate=0.7, prune_at=(3, 6, 9)))
