"""The paper's way from the same start: the last third of seg_t16_480x352_camvid_cpu.py with the gate of GBaS, masked training.

python tools/train.py configs/seg_t16_480x352_camvid_cpu.py
python tools/train.py configs/msseg_t16_480x352_camvid_gbas_cpu.py

Reached 62.3 mIoU (62.3 to 62.5, 3 seeds) at 432 tokens and 3.31 GMACs, see docs/accuracy.md.
"""

_base_ = ['./seg_t16_480x352_camvid_cpu.py', './_base_/gates/gbas.py']

gate_loss = dict(_base_.gate_loss, grid=(8, 11), target=0.55)
model = dict(
    backbone=dict(gate=_base_.gate, gate_loss=gate_loss, train_layout='masked', out_type='tokens'),
    neck=dict(type='msvit.UnfoldTokens', in_channels=192),
)
load_from = 'work_dirs/seg_t16_480x352_camvid_cpu/iter_400.pth'
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.gate': dict(lr_mult=20.0, decay_mult=0.0),
            'backbone.gate_loss': dict(lr_mult=200.0, decay_mult=0.0),  # the priors are a few statistics
        }
    )
)
max_iters = 200
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=20, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=20, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters)
