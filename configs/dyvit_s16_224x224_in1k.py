"""DynamicViT on DeiT-S/16, ImageNet-1k at 224x224: keeps 0.7, 0.49 and 0.34 of the tokens from blocks 4, 7 and 10 on.

python tools/train.py configs/dyvit_s16_224x224_in1k.py

Not measured yet. DynamicViT's paper reports 79.3 top-1 at 2.9 GMACs.
"""

_base_ = './deit_s16_224x224_in1k.py'

model = dict(
    type='msvit.DistilledClassifier',
    teacher=dict(backbone=_base_.model.backbone, head=_base_.model.head),
    backbone=dict(type='msvit.MSDyViT', keep_rate=0.7, prune_at=(3, 6, 9)),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'score_predictor': dict(lr_mult=100.0)}))  # they learn from nothing
