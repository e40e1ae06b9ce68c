"""A Segmenter of 1.7 M parameters for 128x128 scenes: segmenter_s16.py at width 128, 6 blocks, patches of 8 pixels."""

_base_ = ['./segmentor_vit_mini8.py', '../heads/segmenter.py']

model = dict(
    backbone=dict(out_type='tokens'),
    decode_head=dict(
        _base_.decode_head,
        in_channels=128,
        channels=128,
        num_classes=11,
        num_heads=4,
        embed_dims=128,
        drop_path_rate=0.0,
    ),
)
