"""ImageNet's own classifier of ViT-Ti/16 on one photograph for each of some ImageNet classes: to test, and to convert.

python tools/test.py configs/vit_ti16_224x224_in1k_samples.py CHECKPOINT

The checkpoint is one of timm's ``vit_tiny_patch16_224``, classifier included. Expects data/imagenet_1k_samples/<index of the
class>_<name>.jpg, see `msvit.ImageNetSamplesDataset`.
"""

_base_ = [
    './_base_/models/vit_s16.py',
    './_base_/datasets/imagenet_bicubic.py',
    './_base_/schedules/finetune_30e.py',
    './_base_/classification_runtime.py',
]

model = dict(
    backbone=dict(arch='vit_tiny_patch16_224.augreg_in21k_ft_in1k', img_size=_base_.img_size, train_layout='packed'),
    head=dict(
        type='msvit.PretrainedClsHead', arch='vit_tiny_patch16_224.augreg_in21k_ft_in1k', pretrained=True, in_channels=192
    ),
)
samples = dict(_delete_=True, type='msvit.ImageNetSamplesDataset', data_root='data/imagenet_1k_samples', with_label=True)
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = int(_base_.img_size / 0.9)  # ResizeEdge: a crop of 0.9, as these weights were made
train_pipeline = _base_.train_pipeline
train_pipeline[2].crop_ratio_range = (0.35, 1.0)  # RandomResizedCrop

train_dataloader = dict(batch_size=32, num_workers=2, dataset=dict(samples, pipeline=train_pipeline))
val_dataloader = dict(batch_size=32, num_workers=2, dataset=dict(samples, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='msvit.TokenMetric')]
test_evaluator = val_evaluator

# for conversions: model and classifier have learned all they can, and a higher rate unlearns it
optim_wrapper = dict(optimizer=dict(lr=1e-5), paramwise_cfg=dict(_delete_=True))
