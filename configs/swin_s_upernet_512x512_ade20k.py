"""UPerNet on Swin-S, dense, on ADE20K at 512x512.

python tools/train.py configs/swin_s_upernet_512x512_ade20k.py

Not measured yet. mmseg reports 47.72 mIoU for its own (single scale).
"""

_base_ = [
    './_base_/models/upernet_swin_s.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/upernet_swin_160k.py',
    './_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=16)
