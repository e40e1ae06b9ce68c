"""A linear classifier of every place, Segmenter-Linear's: one 1x1 convolution. ``in_channels`` and ``channels`` are the
backbone's."""

decode_head = dict(
    type='FCNHead',
    num_convs=0,
    concat_input=False,
    dropout_ratio=0.0,
    num_classes=150,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
)
