"""ViT-Ti/16, dense, on ImageNet-1k at 224x224.

python tools/train.py configs/vit_ti16_224x224_in1k.py

Not measured yet. The paper reports 76.00 top-1, 196 tokens, 1.25 GMACs (Table 3).
"""

_base_ = [
    './_base_/models/vit_ti16.py',
    './_base_/datasets/imagenet_224.py',
    './_base_/schedules/vit_20e.py',
    './_base_/classification_runtime.py',
]
