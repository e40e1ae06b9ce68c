"""SETR's recipe on ADE20K, as in mmseg's own setr configs: segmenter_160k.py with faster heads and 16 images."""

_base_ = './segmenter_160k.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}))
