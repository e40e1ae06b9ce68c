"""Dense twin of the demo: a small plain ViT that has seen scenes of up to 128x128, fine-tuned on DigitScenes of 192x192.

python tools/train.py configs/seg_mini8_192x192_digit_scenes.py

Reached 86.7 mIoU at 576 tokens and 1.21 GMACs, in 2 minutes on two CPU cores (`make demo`).
"""

_base_ = [
    './_base_/models/segmenter_mini8.py',
    './_base_/datasets/digit_scenes_192x192.py',
    './_base_/default_runtime.py',
    './_base_/schedules/digit_scenes_demo.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(data_preprocessor=data_preprocessor, backbone=dict(img_size=_base_.crop_size))

load_from = 'msvit://seg_mini8_digit_scenes.safetensors'  # see projects/msvit/weights/README.md
max_iters = 200
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_iters
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
