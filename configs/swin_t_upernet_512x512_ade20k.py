"""UPerNet on Swin-T, dense, on ADE20K at 512x512.

python tools/train.py configs/swin_t_upernet_512x512_ade20k.py

Not measured yet. mmseg reports 44.41 mIoU for its own (single scale).
"""

_base_ = [
    './_base_/models/upernet_swin_t.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/schedules/upernet_swin_160k.py',
    './_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=16)
