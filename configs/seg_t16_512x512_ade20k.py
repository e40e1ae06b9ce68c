"""Segmenter-T/16, dense, on ADE20K at 512x512: the baseline of Table 4.

python tools/train.py configs/seg_t16_512x512_ade20k.py

Not measured yet. The paper reports 38.1 mIoU, 1024 tokens, 10.4 GMACs (single scale).
"""

_base_ = [
    './_base_/models/segmenter_t16.py',
    './_base_/datasets/ade20k_512x512.py',
    './_base_/default_runtime.py',
    './_base_/schedules/segmenter_160k.py',
]
