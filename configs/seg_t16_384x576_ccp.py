"""Dense twin: a linear head on ViT-Ti/16, Clothing Co-Parsing at 384x576.

python tools/train.py configs/seg_t16_384x576_ccp.py

Not measured yet: it needs a GPU. See seg_t16_384x576_ccp_cpu.py for the small version.
"""

_base_ = [
    './_base_/models/segmentor_vit_t16.py',
    './_base_/datasets/ccp_384x576.py',
    './_base_/default_runtime.py',
    './_base_/schedules/linear_4k.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=_base_.crop_size), decode_head=dict(num_classes=17))
default_hooks = dict(checkpoint=dict(interval=1000))
