"""A tiny real segmentation project, and a way to run the command-line tools on it."""

import gc
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from mmpretrain.visualization import UniversalVisualizer
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

TOOLS = Path(__file__).resolve().parents[1] / 'tools'

CONFIG = """
custom_hooks = [dict(type='msvit.IterationSeedHook')]
default_scope = 'mmseg'
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='gloo'))
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
log_processor = dict(by_epoch=False, window_size=1)
randomness = dict(seed=3)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3, save_best='mIoU', max_keep_ckpts=2),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(32, 32), seg_pad_val=255),
    backbone=dict(type='VisionTransformer', img_size=(32, 32), patch_size=8, embed_dims=16, num_layers=1, num_heads=2,
                  drop_rate=0.2, out_indices=0),
    decode_head=dict(type='FCNHead', in_channels=16, channels=8, num_convs=1, num_classes=2, dropout_ratio=0.1,
                     norm_cfg=dict(type='BN')),
    test_cfg=dict(mode='whole'),
)
metainfo = dict(classes=('background', 'square'), palette=[[0, 0, 0], [255, 0, 0]])
train_pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(32, 32)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
dataset = dict(type='BaseSegDataset', data_root='{root}', data_prefix=dict(img_path='images', seg_map_path='masks'),
               img_suffix='.png', metainfo=metainfo)
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='msvit.ResumableSampler', shuffle=True),
                        dataset=dict(pipeline=train_pipeline, **dataset))
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset=dict(pipeline=test_pipeline, **dataset))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
param_scheduler = [dict(type='PolyLR', power=0.9, begin=0, end=6, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[[dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)],
                                         [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]]),
]
"""


@pytest.fixture
def toy_config(tmp_path: Path) -> Path:
    """Write six images with one square each, and the config of a tiny segmenter of them."""
    rng = np.random.default_rng(0)
    for folder in ('images', 'masks'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
    for number in range(6):
        image, mask = rng.integers(0, 90, (48, 40, 3), dtype=np.uint8), np.zeros((48, 40), dtype=np.uint8)
        top, left = rng.integers(0, 20, 2)
        mask[top : top + 20, left : left + 20] = 1
        image[mask == 1] += 150
        Image.fromarray(image).save(tmp_path / 'data' / 'images' / f'{number}.png')
        Image.fromarray(mask).save(tmp_path / 'data' / 'masks' / f'{number}.png')
    path = tmp_path / 'toy.py'
    path.write_text(CONFIG.replace('{root}', str(tmp_path / 'data')))
    return path


@pytest.fixture
def run_tool(monkeypatch, tmp_path):
    """Return a function that runs ``tools/<name>`` in this process, in a folder that is not the project's."""
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv('LOCAL_RANK', '0')
    # Workers that are waiting for work end only by this time-out, 5 s by default.
    monkeypatch.setattr('torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL', 0.2)

    def run(name: str, *arguments, options: tuple[str, ...] = ()) -> None:
        # A new process has none of these yet.
        for instances in (DefaultScope, MessageHub, MMLogger, SegLocalVisualizer, UniversalVisualizer, Visualizer):
            instances._instance_dict.clear()
        if options:
            options = ('--cfg-options', *options)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments), *options])
        monkeypatch.syspath_prepend((TOOLS / name).parent)  # as python does for a script
        threads = torch.get_num_threads()
        try:
            runpy.run_path(str(TOOLS / name), run_name='__main__')
        finally:
            torch.set_num_threads(threads)
            gc.collect()

    return run


@pytest.fixture
def read_losses():
    """Return a function that reads {iteration: loss} of all runs in a work dir."""

    def read(work_dir: Path) -> dict[int, float]:
        lines = [line for path in sorted(work_dir.glob('*/vis_data/scalars.json')) for line in path.read_text().splitlines()]
        records = map(json.loads, lines)
        return {record['step']: record['loss'] for record in records if 'loss' in record}

    return read
