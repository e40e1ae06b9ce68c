"""A distilled DeiT-S/16 classifier: deit_s16.py with a second token and a second classifier."""

_base_ = './deit_s16.py'

arch = 'deit_small_distilled_patch16_224.fb_in1k'
model = dict(backbone=dict(arch=arch), head=dict(type='msvit.PretrainedDeiTClsHead', arch=arch))
