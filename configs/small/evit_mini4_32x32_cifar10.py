"""EViT on the small plain ViT, CIFAR-10: in blocks 2, 3 and 4 a share of 0.7 of the tokens stays.

python tools/train.py configs/small/evit_mini4_32x32_cifar10.py

Reached 68.50 top-1 at 23.2 MMACs (one seed).
"""

_base_ = './vit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(type='msvit.MSEViT', keep_rate=0.7, prune_at=(1, 2, 3)))
