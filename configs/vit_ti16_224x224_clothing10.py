"""Dense twin: ViT-Ti/16 with ImageNet's weights, fine-tuned on ten classes of clothing at 224x224.

python tools/train.py configs/vit_ti16_224x224_clothing10.py

Not measured yet: it needs a GPU. See vit_ti16_224x224_clothing10_cpu.py for the small version.
"""

_base_ = [
    './_base_/models/vit_s16.py',
    './_base_/datasets/clothing10_224.py',
    './_base_/schedules/finetune_30e.py',
    './_base_/classification_runtime.py',
]

data_preprocessor = dict(num_classes=10)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(arch='vit_tiny_patch16_224.augreg_in21k_ft_in1k', img_size=_base_.img_size, train_layout='packed'),
    head=dict(in_channels=192, num_classes=10),
)
default_hooks = dict(checkpoint=dict(interval=5))
