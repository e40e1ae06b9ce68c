"""Dense twin: a linear head on ViT-Ti/16, CamVid at 480x352.

python tools/train.py configs/seg_t16_480x352_camvid.py

Not measured yet: it needs a GPU. See seg_t16_480x352_camvid_cpu.py for the small version.
"""

_base_ = [
    './_base_/models/segmentor_vit_t16.py',
    './_base_/datasets/camvid_480x352.py',
    './_base_/default_runtime.py',
    './_base_/schedules/linear_4k.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=_base_.crop_size), decode_head=dict(num_classes=11))
default_hooks = dict(checkpoint=dict(interval=1000))
