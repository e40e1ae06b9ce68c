"""ViT-S/16, dense, on ImageNet-1k at 224x224, or at MSVIT_IMG_SIZE: see docs/configs.md.

python tools/train.py configs/vit_s16_224x224_in1k.py

Not measured yet. The paper (Table 3) reports

    size         128    160    192    224    288    320    384
    tokens        64    100    144    196    324    400    576
    GMACs       1.44   2.27   3.32   4.60   7.97  10.11  15.49
    top-1                            82.02                84.20
"""

_base_ = [
    './_base_/models/vit_s16.py',
    './_base_/datasets/imagenet.py',
    './_base_/schedules/vit_20e.py',
    './_base_/classification_runtime.py',
]

model = dict(backbone=dict(img_size=_base_.img_size))
