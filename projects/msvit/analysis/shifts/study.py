"""Accuracy and cost of two models on moved images."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ...engine.run_gate import find_pixel_format
from ...gates import RadialGate, RandomGate, UniformGate
from ..evaluate import IGNORED, evaluate, in_batches, judge, score
from ..model import AnalysedModel
from ..samples import Sample
from .transform import UNMOVED, Transform, move_images, move_labels

BATCH = 64  # images of a classifier at once
FIXED_GATES = {'radial': RadialGate, 'uniform': UniformGate, 'random': RandomGate}


def with_fixed_gate(model: AnalysedModel, kind: str, samples: Iterable[Sample], seed: int = 0) -> tuple[AnalysedModel, float]:
    """Give a model of the same weights a fixed gate, as many regions of which are fine as the model's gate makes fine.

    Args:
        model: with a gate; keeps it.
        kind: ``'radial'``, ``'uniform'`` or ``'random'``.
        samples: over which its gate's share of fine regions is taken, on whole inputs.
        seed: of the random pattern.

    Returns:
        The model, and the share, which its gate rounds to whole regions.

    Raises:
        ValueError: the model has no gate, or there is no image.
    """
    if model.backbone.gate is None:
        raise ValueError('the model has no gate that a fixed one could be compared with')
    with torch.inference_mode():
        shares = [float(model.backbone.decide(sample.inputs).fine_mask.float().mean()) for sample in samples]
    if not shares:
        raise ValueError('there is no image')
    twin, share = deepcopy(model), float(np.mean(shares))
    settings = dict(seed=seed) if kind == 'random' else {}
    twin.backbone.gate = FIXED_GATES[kind](model.backbone.coarse_patch_size, share, **settings).eval()
    return twin, share


def require_same_inputs(learned: AnalysedModel, fixed: AnalysedModel) -> None:
    """Raise ValueError unless two models can be shown the same inputs and asked for the same classes."""
    kinds = [(model.segments, model.num_classes, find_pixel_format(model.cfg)) for model in (learned, fixed)]
    if kinds[0] != kinds[1]:
        first, second = (
            f'{"a segmentor" if segments else "a classifier"} of {classes} classes, {pixels or "no known normalisation"}'
            for segments, classes, pixels in kinds
        )
        raise ValueError(
            f'both models must know the same classes, and see pixels that are normalised alike: {first}; {second}'
        )


def black(model: AnalysedModel) -> Tensor:
    """Black as a model's network sees it, (3, 1, 1)."""
    pixels = find_pixel_format(model.cfg)
    mean, std = pixels.normalization if pixels else ((0.0,) * 3, (1.0,) * 3)
    return (-torch.tensor(mean) / torch.tensor(std)).view(3, 1, 1).to(model.device)


def evaluate_shifts(
    learned: AnalysedModel,
    fixed: AnalysedModel,
    samples: Iterable[Sample],
    transforms: Sequence[Transform],
    fill: Tensor | float = 0.0,
) -> pd.DataFrame:
    """Evaluate two models on the same moved images.

    Args:
        learned: with the learned gate; the samples are its inputs.
        fixed: with the fixed gate, see `require_same_inputs`.
        samples: with labels.
        transforms: of all images each.
        fill: see `move_images`.

    Returns:
        A row for each transform: its ``zoom``, ``x``, ``y`` and ``distance``; of both models, e.g. ``learned_accuracy``, the
        accuracy in %, and gmacs and tokens of an image; ``gain`` in accuracy, and the learned gate's ``macs_ratio``.

    Raises:
        ValueError: a model is a detector, an image has no label, or there is no image.
    """
    learned.require_classes()
    models = dict(learned=learned, fixed=fixed)
    variants = {
        (point, gate): partial(_judge_moved, model, transform, fill)
        for point, transform in enumerate(transforms)
        for gate, model in models.items()
    }
    batch_size = 1 if learned.segments else BATCH
    batches = in_batches(samples, lambda sample: sample.inputs.shape, lambda sample: batch_size)
    rows = evaluate(batches, variants, ('point', 'gate'))
    if rows.empty:
        raise ValueError('there is no image')
    scores = cast(pd.DataFrame, score(rows, ('point', 'gate')).unstack('gate'))
    scores.columns = [f'{gate}_{figure}' for figure, gate in scores.columns]
    places = pd.DataFrame([dict(zoom=one.zoom, x=one.x, y=one.y, distance=one.distance) for one in transforms])
    return places.join(scores).assign(
        gain=lambda points: points.learned_accuracy - points.fixed_accuracy,
        macs_ratio=lambda points: points.learned_gmacs / points.fixed_gmacs,
    )


def summarise(points: pd.DataFrame) -> pd.DataFrame:
    """Means over the points of each kind that there is, see `evaluate_shifts`.

    Kinds are unmoved, all moved, weak and strong shifts (up to their median distance, and beyond), shrunk and enlarged scenes.

    Returns:
        A row for each: its ``name``, its number of ``points``, the accuracies ``learned`` and ``fixed``, the share of points
        where the learned gate is ``better``, ``learned_gmacs`` and ``fixed_gmacs``.
    """
    moved = (points.zoom != UNMOVED.zoom) | (points.distance != 0)
    middle = float(points.distance[moved].median()) if moved.any() else 0.0
    kinds = {
        'unmoved': ~moved,
        'all moved': moved,
        f'weak shift, <= {middle:.2f}': moved & (points.distance <= middle),
        f'strong shift, > {middle:.2f}': points.distance > middle,
        'shrunk, zoom < 1': points.zoom < 1,
        'enlarged, zoom > 1': points.zoom > 1,
    }
    figures = points.assign(learned=points.learned_accuracy, fixed=points.fixed_accuracy, better=points.gain > 0)
    figures = figures[['learned', 'fixed', 'better', 'learned_gmacs', 'fixed_gmacs']]
    groups = {name: figures[kind] for name, kind in kinds.items() if kind.any()}
    return pd.DataFrame([dict(name=name, points=len(group), **group.mean()) for name, group in groups.items()])


def _judge_moved(
    model: AnalysedModel, transform: Transform, fill: Tensor | float, batch: Sequence[Sample]
) -> dict[str, list[Any]]:
    images = move_images(torch.cat([sample.inputs for sample in batch]), transform, fill)
    labels = torch.stack([_label(sample) for sample in batch])
    if model.segments:
        return judge(model, [torch.from_numpy(model.predict(images))], list(move_labels(labels, transform)))
    return judge(model, list(model.forward(images).argmax(dim=1).cpu()), list(labels))


def _label(sample: Sample) -> Tensor:
    """() class index, or (H, W) of the size of the input, which may be padded at the right and the bottom."""
    if sample.label is None:
        raise ValueError(f'image {sample.name} of the test set has no label, so nothing can be compared')
    label = torch.as_tensor(np.array(sample.label))
    if label.dim() == 0:
        return label
    height, width = (wide - side for wide, side in zip(sample.inputs.shape[-2:], label.shape, strict=True))
    return F.pad(label, (0, width, 0, height), value=IGNORED)
