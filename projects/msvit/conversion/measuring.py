"""What a model reaches and costs: by the metrics of its config, or by its agreement with the dense model."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from mmengine.config import Config
from tqdm import tqdm

from ..analysis.cost import cost_of
from ..analysis.model import AnalysedModel
from ..analysis.samples import Sample
from ..backbones import TokenTrace
from ..engine.gate_loss_hook import find_gated
from ..engine.launch import build_runner
from ..gates import LearnedGate
from ..parts import class_name

# The metrics that conversions are judged by, the first that there is, and what makes percent of them.
_SCORES = {'mIoU': 1, 'accuracy/top1': 1, 'multi-label/mAP': 1, 'coco/bbox_mAP': 100}
_NO_SCORES = ('tokens/', 'data_time', 'time')
AGREEMENT = 'agreement'


@dataclass(frozen=True)
class Reached:
    """What a model reaches and costs over the images that it was tested on.

    Args:
        score: in percent, or of an unknown metric in its own unit.
        tokens: of a network input, mean, without prefix tokens.
        gmacs: of its backbone, gate and embedding included, mean, in 1e9.
        metrics: all that the evaluation said.
    """

    score: float
    tokens: float
    gmacs: float
    metrics: dict[str, float]


class LabelledTest:
    """The test loop of a config, on the test data with labels.

    Args:
        cfg: of the model, with `TokenMetric` among its evaluators.
        checkpoint: of the model.
        work_dir: for logs.
        name: of the run, which no other run of this process has.
        whole_checkpoint: see `build_runner`.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, work_dir: Path, name: str, whole_checkpoint: bool = True):
        cfg = deepcopy(cfg)
        cfg.load_from, cfg.work_dir, cfg.experiment_name = str(checkpoint), str(work_dir), f'{name} {work_dir}'
        # figures go to the report, pictures are drawn once and not at every threshold
        cfg.log_level = 'WARNING'
        if cfg.get('visualizer'):
            cfg.visualizer = dict(type=cfg.visualizer.type)
        cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks') or [] if class_name(hook) != 'ScaleMapHook']
        self._runner = build_runner(cfg, whole_checkpoint)

    def __call__(self, threshold: float | None = None) -> Reached:
        """Test once.

        Args:
            threshold: replaces that of the gate; None keeps it.
        """
        if threshold is not None:
            (backbone,) = find_gated(self._runner.model)
            cast(LearnedGate, backbone.gate).threshold = threshold
        metrics = {name: float(value) for name, value in self._runner.test().items() if np.ndim(value) == 0}
        name = score_of(metrics)
        scale = _SCORES.get(name, 1)
        return Reached(scale * metrics[name], metrics['tokens/count_mean'], metrics['tokens/gmacs_mean'], metrics)


def learned_gate(mixed: AnalysedModel) -> LearnedGate:
    """The gate of a model that a conversion made."""
    return cast(LearnedGate, mixed.backbone.gate)


def score_of(metrics: dict[str, Any]) -> str:
    """The name of the metric that a conversion is judged by."""
    names = [name for name in metrics if not name.startswith(_NO_SCORES)]
    return next((name for name in _SCORES if name in names), names[0])


def agreements(
    mixed: AnalysedModel, dense: AnalysedModel, samples: Iterable[Sample], thresholds: Sequence[float]
) -> tuple[Reached, list[Reached]]:
    """Share of pixels, or of images, that a mixed-scale model labels as the dense one does, in percent.

    Args:
        mixed: with a learned gate.
        dense: of the same classes.
        samples: of ``mixed``'s test pipeline, which is ``dense``'s too.
        thresholds: of the gate, at least one.

    Returns:
        What the dense model costs, and what the mixed one reaches at each threshold.
    """
    trace, gate = TokenTrace(), learned_gate(mixed)
    before, rows = gate.threshold, []
    for sample in tqdm(samples, desc='test', unit='image', leave=False, disable=None):
        wanted = _labels(dense.predict(sample.inputs))
        row = [(1.0, cost_of(trace.drain()))]
        for gate.threshold in thresholds:
            said = _labels(mixed.predict(sample.inputs))
            row.append((float(np.mean(said == wanted)), cost_of(trace.drain())))
        rows.append(row)
    gate.threshold = before
    reached = [_mean(column) for column in zip(*rows, strict=True)]
    return reached[0], reached[1:]


def _labels(said: np.ndarray) -> np.ndarray:
    """Class indices of what `AnalysedModel.predict` gives."""
    return said if said.ndim == 2 else np.asarray(said.argmax())


def _mean(column: Sequence[tuple[float, Any]]) -> Reached:
    shares, costs = zip(*column, strict=True)
    inputs = sum(cost.inputs for cost in costs)
    agreement = 100 * float(np.mean(shares))
    tokens, gmacs = (sum(getattr(cost, name) for cost in costs) / inputs for name in ('tokens', 'gmacs'))
    return Reached(agreement, tokens, gmacs, {AGREEMENT: agreement})
