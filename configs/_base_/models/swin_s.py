"""A Swin-S classifier: swin_t.py with 18 blocks in the third stage, and its stochastic depth."""

_base_ = './swin_t.py'

arch = 'swin_small_patch4_window7_224.ms_in1k'
model = dict(backbone=dict(arch=arch, drop_path_rate=0.3), head=dict(arch=arch))
