"""The points of a sweep: what each trains, and its folder."""

import ast
import hashlib
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from ...parts import class_name
from ..input_size import set_input_size

Values = dict[str, float | int | str]


@dataclass(frozen=True)
class Point:
    """One training of a sweep.

    Args:
        values: where it lies: ``dense`` or ``variant`` (names), ``target``, ``weight``, ``img_size`` (pixels), ``seed``, those
            that it has.
        text: its config, as Python.
        work_dir: the sweep's folder.
    """

    values: Values
    text: str
    work_dir: Path

    @property
    def name(self) -> str:
        """Name of its folder, e.g. ``target=0.25,weight=4,img_size=224,seed=0``."""
        return ','.join(f'{axis}={_short(value)}' for axis, value in self.values.items())

    @property
    def folder(self) -> Path:
        """Holds all that belongs to the point."""
        return self.work_dir / self.name

    @property
    def config_file(self) -> Path:
        return self.folder / 'config.py'

    @property
    def run_dir(self) -> Path:
        """The work dir of its training."""
        return self.folder / 'run'

    @property
    def log_file(self) -> Path:
        return self.folder / 'log.txt'

    @property
    def result_file(self) -> Path:
        """There once the point is finished."""
        return self.folder / 'result.json'

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the config."""
        return fingerprint(self.text)


def fingerprint(text: str) -> str:
    """Hash of a config's text that spaces and line breaks do not change."""
    return hashlib.sha256(ast.unparse(ast.parse(text)).encode()).hexdigest()


def make_points(
    cfg: Config,
    work_dir: Path,
    targets: Sequence[float] | None = None,
    weights: Sequence[float] | None = None,
    img_sizes: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    variants: Mapping[str, dict[str, Any]] | None = None,
    dense: Mapping[str, Config] | None = None,
) -> list[Point]:
    """Lay out a grid. An axis left out takes what the config says.

    Args:
        cfg: of the mixed-scale model.
        work_dir: the sweep's folder.
        targets: g*, for ``model.backbone.gate_loss.target``.
        weights: lambda, for ``model.backbone.gate_loss.weight``.
        img_sizes: sides of square inputs in pixels, see `set_input_size`.
        seeds: for ``randomness.seed``.
        variants: settings that replace those of the config, by name.
        dense: configs of dense baselines by name, for every input size and seed.

    Returns:
        The points seed by seed, so that a whole figure comes early; in each seed the baselines first.

    Raises:
        ValueError: the config lacks what an axis changes, or what a sweep needs to read results; names are no file names.
    """
    for name in (*(variants or ()), *(dense or ())):
        if not re.fullmatch(r'[\w.+-]+', name):
            raise ValueError(f'{name!r} would become part of a folder name: use letters, digits and . + - _ alone')
    sizes, points = img_sizes or (None,), []
    for seed in seeds or (None,):
        for name, baseline in (dense or {}).items():
            points += [_point(baseline, work_dir, dict(dense=name), img_size=size, seed=seed) for size in sizes]
        for name, options in (variants or {'': {}}).items():
            labels: Values = dict(variant=name) if name else {}
            points += [
                _point(cfg, work_dir, labels, options, target, weight, size, seed)
                for size in sizes
                for weight in weights or (None,)
                for target in targets or (None,)
            ]
    return list({point.name: point for point in points}.values())


def _point(
    cfg: Config,
    work_dir: Path,
    labels: Values,
    options: dict[str, Any] | None = None,
    target: float | None = None,
    weight: float | None = None,
    img_size: int | None = None,
    seed: int | None = None,
) -> Point:
    cfg = deepcopy(cfg)
    cfg.merge_from_dict(options or {})
    backbone = cfg.model.backbone
    for name, value in (('target', target), ('weight', weight)):
        if value is None:
            continue
        swept = _swept_loss(backbone)
        if not swept:
            raise ValueError(f'model.backbone has no gate_loss, so there is no {name} to sweep: choose a config with a gate')
        if swept.get(name) != value:  # 4 and 4.0 are one point
            swept[name] = value
    if img_size is not None:
        set_input_size(cfg, img_size)
    if seed is not None:
        cfg.merge_from_dict({'randomness.seed': seed})
    require_readable(cfg)
    cfg.pop('work_dir', None)  # train.py is told; a sweep may be moved

    gate_loss = _swept_loss(backbone)
    values = dict(target=gate_loss.get('target'), weight=gate_loss.get('weight'), img_size=backbone.get('img_size'))
    values['seed'] = cfg.get('randomness', {}).get('seed')
    numbers = {axis: value for axis, value in values.items() if isinstance(value, (int, float))}
    return Point({**labels, **numbers}, cfg.pretty_text, work_dir)


def _swept_loss(backbone: ConfigDict) -> dict[str, Any]:
    """The config of the gate's loss; of several, the first with a target."""
    gate_loss = backbone.get('gate_loss') or {}
    if isinstance(gate_loss, list | tuple):
        return next((loss for loss in gate_loss if 'target' in loss), {})
    return gate_loss


def require_readable(cfg: Config) -> None:
    """Check that a training leaves what a sweep goes on from and reads.

    Raises:
        ValueError: it validates nothing, counts no MACs, keeps no records in a file, or no checkpoints.
    """
    if not cfg.get('val_dataloader') or cfg.get('val_cfg') is None:
        raise ValueError('the config has no validation to compare by: set val_dataloader, val_evaluator and val_cfg')
    metrics = cfg.get('val_evaluator') or ()
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    if not any(class_name(metric) == 'TokenMetric' and not metric.get('prefix') for metric in metrics):
        raise ValueError(
            "val_evaluator has no dict(type='msvit.TokenMetric'), which counts the MACs: add it. A dense baseline needs it "
            'too, and so an msvit backbone: msvit.MSViT with gate=None is the plain ViT'
        )
    backends = (cfg.get('visualizer') or {}).get('vis_backends')
    if backends is not None and 'LocalVisBackend' not in map(class_name, backends):
        raise ValueError("visualizer.vis_backends has no dict(type='LocalVisBackend'), which keeps the records: add it")
    if (cfg.get('default_hooks') or {}).get('checkpoint', True) is None:
        raise ValueError('default_hooks.checkpoint is None, so an interrupted training could not go on: leave the hook in')


def _short(value: float | int | str) -> str:
    return str(value).removesuffix('.0') if isinstance(value, float) else str(value)
