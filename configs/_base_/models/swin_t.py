"""A Swin-T classifier on MSSwin blocks, every region fine: backbone and classifier from timm's ImageNet-1k weights."""

data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True, num_classes=1000)
arch = 'swin_tiny_patch4_window7_224.ms_in1k'
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSSwin',
        arch=arch,
        img_size=224,
        coarse_patch_size=32,
        out_type='avg_featmap',
        drop_path_rate=0.2,
        pretrained=True,
    ),
    head=dict(
        type='msvit.PretrainedClsHead',
        arch=arch,
        pretrained=True,
        in_channels=768,
        num_classes=1000,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
    ),
)
