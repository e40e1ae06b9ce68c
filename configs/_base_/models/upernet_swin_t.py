"""UPerNet on a Swin-T of MSSwin blocks, every region fine, with mmseg's auxiliary head: mmseg's own Swin recipe."""

_base_ = ['./segmentor_swin_t.py', '../heads/upernet.py']

model = dict(
    decode_head=dict(_base_.decode_head, in_channels=[96, 192, 384, 768], in_index=[0, 1, 2, 3]),
    auxiliary_head=dict(_base_.auxiliary_head, in_channels=384, in_index=2),
)
