"""UPerNet on four maps, with mmseg's auxiliary head. ``in_channels`` and ``in_index`` are the backbone's."""

_base_ = './auxiliary_fcn.py'

decode_head = dict(
    type='UPerHead',
    pool_scales=(1, 2, 3, 6),
    channels=512,
    dropout_ratio=0.1,
    num_classes=150,
    norm_cfg=_base_.norm_cfg,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
)
