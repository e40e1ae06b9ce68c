"""Two toy trainings, a segmentor and a classifier, run by one process and by two."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
ITERATIONS, BATCH, RANKS = 3, 4, 2

COMMON = """
custom_imports = dict(imports=['toy_parts'])
custom_hooks = [dict(type='msvit.IterationSeedHook'), dict(type='msvit.GateLossHook'), dict(type='WriteLosses')]
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
log_processor = dict(by_epoch=False, window_size=1)
randomness = dict(seed=3)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1),
)
backbone = dict(
    type='msvit.MSViT',
    arch=dict(embed_dim=16, depth=2, num_heads=2, patch_size=8, weight_init='jax'),
    img_size=32,
    coarse_patch_size=16,
    gate=dict(type='msvit.KeyedGate', hidden_dims=(8,), init_p_fine=0.6),
    gate_loss=dict(type='msvit.GBaSLoss', grid=(2, 2), target=0.4, weight=2.0, gather=True),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9), clip_grad=dict(max_norm=1.0))
train_cfg = dict(type='IterBasedTrainLoop', max_iters={iterations}, val_interval={iterations})
val_cfg = dict(type='ValLoop')
loader = dict(num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
train_loader = dict(num_workers=0, batch_size={batch}, sampler=dict(type='msvit.ResumableSampler', shuffle=True))
"""
SEGMENTOR = """
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
model = dict(
    type='msvit.RaggedEncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(32, 32), seg_pad_val=255),
    backbone=dict(out_type='featmap', **backbone),
    decode_head=dict(type='FCNHead', in_channels=16, channels=16, num_convs=0, concat_input=False, num_classes=2,
                     dropout_ratio=0.0, norm_cfg=None),
    test_cfg=dict(mode='whole'),
)
pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
dataset = dict(type='BaseSegDataset', data_root='{root}', data_prefix=dict(img_path='images', seg_map_path='masks'),
               img_suffix='.png', metainfo=dict(classes=('background', 'square'), palette=[[0, 0, 0], [255, 0, 0]]))
train_dataloader = dict(dataset=dict(pipeline=pipeline, **dataset), **train_loader)
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=pipeline[1:3] + pipeline[4:], **dataset), **loader)
val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='msvit.TokenMetric')]
"""
CLASSIFIER = """
default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, num_classes=2),
    backbone=dict(out_type='cls_token', **backbone),
    head=dict(type='LinearClsHead', in_channels=16, num_classes=2, topk=(1,), loss=dict(type='CrossEntropyLoss')),
)
pipeline = [
    dict(type='msvit.SeedSample'),
    dict(type='LoadImageFromFile'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
dataset = dict(type='CustomDataset', data_root='{root}', data_prefix='classes')
train_dataloader = dict(dataset=dict(pipeline=pipeline, **dataset), **train_loader)
val_dataloader = dict(batch_size=2, dataset=dict(pipeline=pipeline[1:2] + pipeline[3:], **dataset), **loader)
val_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='msvit.TokenMetric')]
"""

# Variants of the classifier of one process.
VARIANTS = {
    'ema': "custom_hooks.append(dict(type='EMAHook', momentum=0.25))",
    'bf16': "optim_wrapper.update(type='BFloat16OptimWrapper')",
    'l0': "model['backbone'].update(gate_loss=dict(type='msvit.L0Loss', weight=0.5))",
    # the same images for each update, half of them at a time
    'accumulate': """
model['backbone'].update(gate_loss=dict(type='msvit.L0Loss', weight=0.5))
optim_wrapper.update(accumulative_counts=2)
train_dataloader.update(batch_size=2)
train_cfg.update(max_iters=6, val_interval=6)
""",
}


@pytest.fixture(scope='session')
def configs(tmp_path_factory) -> dict[str, Path]:
    """The configs by name; two processes take half of the batch each."""
    root = tmp_path_factory.mktemp('scale_out')
    _write_images(root)
    found = {}
    for name, text in (('segmentor', SEGMENTOR), ('classifier', CLASSIFIER)):
        for ranks in (1, RANKS):
            common = COMMON.format(iterations=ITERATIONS, batch=BATCH // ranks)
            found[f'{name}_{ranks}'] = root / f'{name}_{ranks}.py'
            found[f'{name}_{ranks}'].write_text(common + text.replace('{root}', str(root)))
    for name, change in VARIANTS.items():
        found[f'{name}_1'] = root / f'{name}_1.py'
        found[f'{name}_1'].write_text(found['classifier_1'].read_text() + change)
    return found


@pytest.fixture(scope='session')
def work_dirs(configs, train) -> dict[str, Path]:
    """Where every training has been: one process has run those that end in _1, two on CPUs those that end in _2."""
    for ranks in (1, RANKS):
        train(ranks, [path for name, path in configs.items() if name.endswith(f'_{ranks}')])
    return {name: path.with_suffix('') for name, path in configs.items()}


@pytest.fixture(scope='session')
def losses() -> Callable[..., list[dict[str, float]]]:
    """Reads what a rank of a training wrote down, an entry for each iteration."""

    def read(folder: Path, rank: int = 0) -> list[dict[str, float]]:
        return [json.loads(line) for line in (folder / f'losses_{rank}.jsonl').read_text().splitlines()]

    return read


@pytest.fixture(scope='session')
def train() -> Callable[..., str]:
    """Trains configs one after the other, each into a folder beside it, by so many processes; several need torchrun.

    Gives what the processes wrote to stderr; they must come to their end, or with ``ends=False`` fail.
    """

    def run(
        ranks: int, configs: list[Path], torchrun: bool = False, gpus: str = '', more: tuple[str, ...] = (), ends: bool = True
    ) -> str:
        pairs = [str(part) for config in configs for part in (config, config.with_suffix(''))]
        start, arguments = [], []
        if torchrun or ranks > 1:
            start = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={ranks}']
            arguments = ['--', '--launcher', 'pytorch', *more]
        command = [sys.executable, *start, str(HERE / 'train_all.py'), *pairs, *arguments]
        paths = os.pathsep.join(filter(None, [str(HERE), os.environ.get('PYTHONPATH')]))
        environ = {**os.environ, 'PYTHONPATH': paths, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': gpus}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
        assert (done.returncode == 0) == ends, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stderr

    return run


def _write_images(root: Path) -> None:
    """Eight images with one square each, and as many of two classes."""
    rng = np.random.default_rng(0)
    for folder in ('images', 'masks', 'classes/a', 'classes/b'):
        (root / folder).mkdir(parents=True)
    for number in range(8):
        image, mask = rng.integers(0, 90, (32, 32, 3), dtype=np.uint8), np.zeros((32, 32), dtype=np.uint8)
        top, left = rng.integers(0, 16, 2)
        mask[top : top + 14, left : left + 14] = 1
        image[mask == 1] += 150
        Image.fromarray(image).save(root / 'images' / f'{number}.png')
        Image.fromarray(mask).save(root / 'masks' / f'{number}.png')
        Image.fromarray(image if number % 2 else 255 - image).save(root / 'classes' / 'ab'[number % 2] / f'{number}.png')
