"""A DeiT-S/16 classifier on MSDeiT blocks, every region fine: backbone and classifier from DeiT's ImageNet-1k weights."""

data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True, num_classes=1000)
arch = 'deit_small_patch16_224.fb_in1k'
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(type='msvit.MSDeiT', arch=arch, img_size=224, coarse_patch_size=32, train_layout='trimmed', pretrained=True),
    head=dict(
        type='msvit.PretrainedClsHead',
        arch=arch,
        pretrained=True,
        in_channels=384,
        num_classes=1000,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
    ),
)
