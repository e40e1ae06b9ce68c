"""A ViT-S/16 classifier on MSViT blocks, every region fine: the dense model that mixed scale starts from.

Weights pretrained on ImageNet-21k, a new classifier.
"""

data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True, num_classes=1000)
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        arch='vit_small_patch16_224.augreg_in21k',
        img_size=224,
        coarse_patch_size=32,
        train_layout='trimmed',
        out_type='cls_token',
        pretrained=True,
    ),
    head=dict(
        type='VisionTransformerClsHead',
        in_channels=384,
        num_classes=1000,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
