"""DeiT-S/16, dense, on ImageNet-1k at 224x224, or at MSVIT_IMG_SIZE: see docs/configs.md.

python tools/train.py configs/deit_s16_224x224_in1k.py

Not measured yet. The paper (Table 3) reports 79.85 top-1, 196 tokens, 4.60 GMACs; at 160x160 75.86, 100, 2.27; at 192x192
77.79, 144, 3.32.
"""

_base_ = [
    './_base_/datasets/imagenet_bicubic.py',
    './_base_/schedules/deit_20e.py',
    './_base_/classification_runtime.py',
]

data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True, num_classes=1000)
arch = 'deit_small_patch16_224.fb_in1k'  # backbone and classifier
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSDeiT',
        arch=arch,
        img_size=_base_.img_size,
        coarse_patch_size=32,
        train_layout='trimmed',
        pretrained=True,
    ),
    head=dict(
        type='msvit.PretrainedClsHead',
        arch=arch,
        pretrained=True,
        in_channels=384,
        num_classes=1000,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
    ),
)
