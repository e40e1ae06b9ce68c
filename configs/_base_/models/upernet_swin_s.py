"""UPerNet on a Swin-S: upernet_swin_t.py with 18 blocks in the third stage."""

_base_ = './upernet_swin_t.py'

model = dict(backbone=dict(arch='swin_small_patch4_window7_224.ms_in1k'))
