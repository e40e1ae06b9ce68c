"""segmentor_swin_t.py for 128x128 scenes, on a small Swin."""

_base_ = ['./segmentor_swin_t.py', '../backbones/swin_mini4.py']

data_preprocessor = dict(size=(128, 128))
model = dict(data_preprocessor=data_preprocessor, backbone=dict(_base_.backbone, pretrained=None))
