"""Segmenter's mask transformer, decoding the tokens as they are."""

decode_head = dict(
    type='msvit.MixedScaleSegmenterHead',
    in_channels=384,
    channels=384,
    in_index=-1,
    num_classes=150,
    num_layers=2,
    num_heads=6,
    embed_dims=384,
    dropout_ratio=0.0,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
)
