"""FCN: two convolutions on the maps of several blocks or stages, enlarged to the first's size and laid side by side, and
mmseg's auxiliary head. ``in_channels`` and ``in_index`` are the backbone's."""

_base_ = './auxiliary_fcn.py'

decode_head = dict(
    type='FCNHead',
    input_transform='resize_concat',
    channels=256,
    num_convs=2,
    concat_input=False,
    dropout_ratio=0.1,
    num_classes=150,
    norm_cfg=_base_.norm_cfg,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
)
