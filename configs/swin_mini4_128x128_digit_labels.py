"""Multi-label classification by a small Swin, from the mean of its last map: which digits a scene holds.

python tools/train.py configs/swin_mini4_128x128_digit_labels.py

Not measured yet.
"""

_base_ = [
    './_base_/models/multi_label_swin_mini4.py',
    './_base_/datasets/digit_labels_128x128.py',
    './_base_/schedules/digit_scenes_new_head.py',
    './_base_/multi_label_runtime.py',
]
