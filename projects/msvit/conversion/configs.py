"""The configs of a conversion: of the mixed-scale model, and of the training that makes it."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from ..analysis.samples import gives_bgr, steps_for_arrays
from ..backbones import MSViT
from ..parts import class_name
from .schedule import warm_up_and_decay

# In pixels, of ContextGate.
_SMALLEST_REGION = 8
# They average weights from before the gate was taught, stop early, or train another gate.
_UNFIT_HOOKS = ('EMAHook', 'EarlyStoppingHook', 'GateWarmupHook', 'TeachGateHook')


def with_test_data(dense: Config) -> Config:
    """The config, with its validation data as test data where it has no others.

    Raises:
        ValueError: it lacks test data, or training data.
    """
    cfg = deepcopy(dense)
    if not cfg.get('test_dataloader') and cfg.get('val_dataloader'):
        cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
        cfg.test_cfg = dict(type='TestLoop')
    for name in ('train_dataloader', 'test_dataloader', 'optim_wrapper'):
        if not cfg.get(name):
            raise ValueError(f'convert needs {name} of the config, and it has none')
    return cfg


def mixed_config(dense: Config, backbone: MSViT, checkpoint: Path) -> Config:
    """The config of the mixed-scale model: the dense one, with a gate and the count of tokens beside its test metrics.

    Where a head reads one feature map as the backbone gives it, `UnfoldTokens` lets coarse tokens tell their cells apart.

    Args:
        dense: config of the dense model.
        backbone: of the dense model.
        checkpoint: of the mixed-scale model, from which a training of this config would go on.
    """
    cfg = with_tokens_counted(dense)
    cfg.load_from, cfg.resume = str(checkpoint), False
    _forget_first_weights(cfg.model)
    kind = 'msvit.ContextGate' if backbone.coarse_patch_size >= _SMALLEST_REGION else 'msvit.MLPGate'
    cfg.model.backbone.gate = dict(type=kind, frozen=True)
    cfg.model.backbone.train_layout = 'packed'
    if backbone.out_type == 'featmap' and len(backbone.out_indices) == 1 and not cfg.model.get('neck'):
        cfg.model.backbone.out_type = 'tokens'
        ratio = backbone.coarse_patch_size // backbone.patch_size
        cfg.model.neck = dict(type='msvit.UnfoldTokens', in_channels=backbone.embed_dim, ratio=ratio)
    return cfg


def with_tokens_counted(cfg: Config) -> Config:
    """The config, its test evaluator with `TokenMetric`."""
    cfg = deepcopy(cfg)
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, Sequence) else [cfg.test_evaluator]
    if not any(class_name(evaluator) == 'TokenMetric' for evaluator in evaluators):
        cfg.test_evaluator = [*evaluators, dict(type='msvit.TokenMetric')]
    return cfg


def training_config(
    mixed: Config,
    checkpoint: str,
    target: float,
    iters: int,
    teach_iters: int | None,
    teacher: dict[str, Any],
    work_dir: Path,
) -> Config:
    """The config of the training: from the dense weights, the gate taught first, no validation.

    Args:
        mixed: see `mixed_config`.
        checkpoint: of the dense model.
        target: wanted share of fine regions, in (0, 1).
        iters: training steps of the model, >= 1.
        teach_iters: steps in which the gate is taught, >= 1; None: see `GateTeacher.iters`.
        teacher: config of who teaches it.
        work_dir: for logs and checkpoints.
    """
    cfg = deepcopy(mixed)
    cfg.load_from, cfg.work_dir = checkpoint, str(work_dir)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=iters, val_interval=iters + 1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.param_scheduler = warm_up_and_decay(iters)
    cfg.default_hooks = {
        **cfg.get('default_hooks', {}),
        'logger': dict(type='LoggerHook', interval=min(50, max(iters // 20, 1)), log_metric_by_epoch=False),
        # two, so that a run killed while saving can go on from the other one
        'checkpoint': dict(type='CheckpointHook', by_epoch=False, interval=max(iters // 10, 1), max_keep_ckpts=2),
    }
    cfg.log_processor = dict(by_epoch=False)
    hooks = [hook for hook in cfg.get('custom_hooks') or [] if class_name(hook) not in _UNFIT_HOOKS]
    if not any(class_name(hook) == 'IterationSeedHook' for hook in hooks):
        hooks.append(dict(type='msvit.IterationSeedHook'))
    cfg.custom_hooks = [*hooks, dict(type='msvit.TeachGateHook', teacher=teacher, fine_share=target, iters=teach_iters)]
    if (cfg.get('randomness') or {}).get('seed') is None:  # a resumed run repeats the losses of an uninterrupted one
        cfg.randomness = dict(seed=0)
    if cfg.get('visualizer'):
        cfg.visualizer.pop('name', None)  # each run of a process has its own
    _make_resumable(cfg.train_dataloader)
    return cfg


def without_labels(training: Config, segments: bool, image_list: Path, checkpoint: str) -> Config:
    """The config of a training on image files, in which the dense model teaches the mixed one.

    Args:
        training: see `training_config`; its pipeline makes the batches.
        segments: whether the model labels pixels.
        image_list: text file, the path of an image on each line.
        checkpoint: of the dense model.
    """
    cfg = deepcopy(training)
    cfg.model.train_cfg = None  # of classifiers, Mixup and CutMix: they mix labels
    loader = cfg.train_dataloader
    steps = steps_for_arrays(cfg, loader.dataset.pipeline, segments)
    files = dict(ann_file=str(image_list), bgr=gives_bgr(cfg), label_map=segments)
    loader.dataset = dict(type='msvit.UnlabelledImages', pipeline=steps, **files)
    loader.pop('batch_sampler', None)
    tested = cfg.test_dataloader.dataset  # the gate is calibrated on training images as they are at test
    tested.pipeline = steps_for_arrays(cfg, tested.pipeline, segments)
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='msvit.SelfDistillationHook', checkpoint=checkpoint)]
    return cfg


def _forget_first_weights(model: dict[str, Any]) -> None:
    """Those that the dense training began with: they may not be at hand, and a checkpoint replaces them all."""
    for name in ('pretrained', 'init_cfg'):
        model.pop(name, None)
    for name, part in model.items():
        if isinstance(part, dict) and name != 'teacher':  # that of a distilled classifier stays what it is
            _forget_first_weights(part)


def _make_resumable(loader: ConfigDict) -> None:
    """Let a resumed training see the very same crops and flips."""
    loader.sampler = dict(type='msvit.ResumableSampler', shuffle=True)
    dataset: Any = loader.dataset
    pipeline = dataset.get('pipeline')
    if pipeline is not None and not any(class_name(step) == 'SeedSample' for step in pipeline):
        dataset.pipeline = [dict(type='msvit.SeedSample'), *pipeline]
