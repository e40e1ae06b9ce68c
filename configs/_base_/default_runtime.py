"""Run-time settings that all segmentation configs share: logs, checkpoints, pictures, seeds."""

default_scope = 'mmseg'
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=False)
log_level = 'INFO'
randomness = dict(seed=0)
load_from = None
resume = False
tta_model = dict(type='SegTTAModel')

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # 'auto' would choose aAcc. Two are kept, so that a run killed while saving can go on from the other one.
    checkpoint=dict(type='msvit.SafeCheckpointHook', by_epoch=False, interval=16000, save_best='mIoU', max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [
    dict(type='msvit.IterationSeedHook'),  # a resumed run repeats the losses of an uninterrupted one
    dict(type='msvit.GateLossHook'),  # adds the gate's losses to the model's own
    dict(type='msvit.ScaleMapHook'),  # pictures of scales and predictions at validation and test
]
