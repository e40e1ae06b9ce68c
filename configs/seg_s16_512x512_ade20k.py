"""Segmenter-S/16, dense, on ADE20K at 512x512: the baseline of Table 4.

python tools/train.py configs/seg_s16_512x512_ade20k.py

Not measured yet. The paper reports 45.3 mIoU, 1024 tokens, 31.7 GMACs (single scale).
"""

_base_ = [
    './_base_/models/segmenter_s16.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/default_runtime.py',
    './_base_/schedules/segmenter_160k.py',
]
