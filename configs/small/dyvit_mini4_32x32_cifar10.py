"""DynamicViT on the small plain ViT, CIFAR-10: keeps 0.7, 0.49 and 0.34 of the tokens from blocks 2, 3 and 4 on.

python tools/train.py configs/small/dyvit_mini4_32x32_cifar10.py

Reached 65.52 top-1 at 22.0 MMACs (one seed).
"""

_base_ = './vit_mini4_32x32_cifar10.py'

model = dict(
    type='msvit.DistilledClassifier',
    teacher=dict(backbone=_base_.model.backbone, head=_base_.model.head, pretrained=_base_.load_from),
    backbone=dict(type='msvit.MSDyViT', keep_rate=0.7, prune_at=(1, 2, 3)),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'score_predictor': dict(lr_mult=5.0)}))  # from nothing, in 390 steps
