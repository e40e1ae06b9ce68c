"""FCOS behind ViTDet's simple feature pyramid on the small plain ViT of the demo, fine-tuned on DigitScenes' boxes.

python tools/train.py configs/small/vit_mini8_fcos_sfp_128x128_digit_boxes.py

Reached a box AP of 71.8 at 256 tokens and 411 MMACs (one seed).
"""

_base_ = [
    '../_base_/models/fcos_vit_s16.py',
    '../_base_/datasets/digit_boxes_128x128.py',
    '../_base_/schedules/digit_scenes_new_head.py',
    '../_base_/detection_runtime.py',
]

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dim=128, depth=6, num_heads=4, patch_size=8),
        img_size=128,
        coarse_patch_size=16,
        drop_path_rate=0.0,
        pretrained='msvit://seg_mini8_digit_scenes.safetensors',  # see projects/msvit/weights/README.md
    ),
    neck=dict(in_channels=128, out_channels=64, scales=(1, 0.5), num_outs=2),
    bbox_head=dict(
        num_classes=10,
        in_channels=64,
        stacked_convs=2,
        feat_channels=64,
        strides=[8, 16],
        regress_ranges=((-1, 32), (32, 1e8)),
    ),
    test_cfg=dict(max_per_img=20),
)
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=100),
)
