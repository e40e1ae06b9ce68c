"""Dense twin: Segmenter on ViT-S/14, CamVid at 448x336.

python tools/train.py configs/seg_s14_448x336_camvid.py

Not measured yet: it needs a GPU. See seg_s14_448x336_camvid_cpu.py for the small version.
"""

_base_ = [
    './_base_/models/segmenter_s14.py',
    './_base_/datasets/camvid_448x336.py',
    './_base_/default_runtime.py',
    './_base_/schedules/camvid_4k.py',
]
default_hooks = dict(checkpoint=dict(interval=500))
