"""A multi-label classifier for 128x128 scenes, on a small Swin of MSSwin blocks, every region fine."""

_base_ = ['./swin_t.py', '../backbones/swin_mini4.py']

data_preprocessor = dict(num_classes=10)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(_base_.backbone, pretrained='msvit://swin_mini4_digit_scenes.safetensors'),
    head=dict(_delete_=True, type='MultiLabelLinearClsHead', in_channels=128, num_classes=10),
)
