"""mmseg's auxiliary head: one convolution on one map of the backbone. ``in_channels`` and ``in_index`` are the backbone's."""

norm_cfg = dict(type='BN')
sync_bn = 'torch'  # one batch for the norms of all processes
auxiliary_head = dict(
    type='FCNHead',
    channels=256,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.1,
    num_classes=150,
    norm_cfg=norm_cfg,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4),
)
