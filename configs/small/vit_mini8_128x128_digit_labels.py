"""Multi-label classification by the small plain ViT of the demo, from its class token: which digits a scene holds.

python tools/train.py configs/small/vit_mini8_128x128_digit_labels.py

Reached 53.0 mAP at 256 tokens and 411 MMACs (one seed); chance has 19.
"""

_base_ = [
    '../_base_/datasets/digit_labels_128x128.py',
    '../_base_/schedules/digit_scenes_new_head.py',
    '../_base_/multi_label_runtime.py',
]

data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True, num_classes=10)
model = dict(
    type='ImageClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='msvit.MSViT',
        arch=dict(embed_dim=128, depth=6, num_heads=4, patch_size=8),
        img_size=128,
        coarse_patch_size=16,
        train_layout='trimmed',
        out_type='cls_token',
        pretrained='msvit://seg_mini8_digit_scenes.safetensors',
    ),
    head=dict(type='MultiLabelLinearClsHead', in_channels=128, num_classes=10),
)
