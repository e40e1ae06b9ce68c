"""SETR's progressive upsampling (PUP): four convolutions on the last map, each enlarges it twice; auxiliary heads on maps
before it, one config for each. ``in_channels`` and ``in_index`` are the backbone's."""

norm_cfg = dict(type='BN')
sync_bn = 'torch'  # one batch for the norms of all processes
decode_head = dict(
    type='SETRUPHead',
    channels=256,
    num_convs=4,
    up_scale=2,
    dropout_ratio=0,
    num_classes=150,
    norm_cfg=norm_cfg,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
)
auxiliary_head = dict(
    decode_head,
    num_convs=1,
    up_scale=4,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4),
)
