"""Dense twin: Segmenter on DINOv2's ViT-S/14, CamVid at 448x336.

python tools/train.py configs/seg_s14_448x336_camvid.py

Not measured yet: it needs a GPU. See seg_s14_448x336_camvid_cpu.py for the small version.
"""

_base_ = [
    './_base_/models/segmenter_s16.py',
    './_base_/datasets/camvid_480x352.py',
    './_base_/default_runtime.py',
    './_base_/schedules/camvid_4k.py',
]

# 28 divides both sides, for tokens of 14 and 28 pixels
crop_size = (336, 448)  # (height, width)
train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = (448, 336)  # RandomResize
train_pipeline[4].crop_size = crop_size  # RandomCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (448, 336)  # Resize
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    backbone=dict(arch='vit_small_patch14_dinov2.lvd142m', img_size=518, coarse_patch_size=28, drop_path_rate=0.0),
    decode_head=dict(num_classes=11, drop_path_rate=0.0),
    test_cfg=dict(_delete_=True, mode='whole'),
)
default_hooks = dict(checkpoint=dict(interval=500))
