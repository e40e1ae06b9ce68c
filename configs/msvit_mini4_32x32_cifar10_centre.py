"""msvit_mini4_32x32_cifar10.py with learned priors that start fine in the middle of the image.

python tools/train.py configs/msvit_mini4_32x32_cifar10_centre.py

Not measured yet.
"""

_base_ = './msvit_mini4_32x32_cifar10.py'

model = dict(backbone=dict(gate_loss=dict(init='centre')))
