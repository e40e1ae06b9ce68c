"""Dense twin: Segmenter on ViT-S/16, CamVid at 480x352.

python tools/train.py configs/seg_s16_480x352_camvid.py

Not measured yet: ImageNet weights for patch 16 were not at hand; see seg_s14_448x336_camvid.py.
"""

_base_ = [
    './_base_/models/segmenter_s16.py',
    './_base_/datasets/camvid_480x352.py',
    './_base_/default_runtime.py',
    './_base_/schedules/camvid_4k.py',
]

data_preprocessor = dict(size=(352, 480))
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(img_size=(352, 480), drop_path_rate=0.0),
    decode_head=dict(num_classes=11, drop_path_rate=0.0),
    test_cfg=dict(_delete_=True, mode='whole'),
)
default_hooks = dict(checkpoint=dict(interval=500))
