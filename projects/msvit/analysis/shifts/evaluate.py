"""Accuracy and cost of two models on moved images."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.evaluation import IoUMetric
from torch import Tensor

from ...backbones import TokenTrace
from ...engine.run_gate import find_pixel_format
from ...gates import RadialGate, RandomGate, UniformGate
from ..model import AnalysedModel
from ..samples import Sample
from .transform import UNKNOWN, Transform, move_images, move_labels

BATCH = 64  # images of a classifier at once
FIXED_GATES = {'radial': RadialGate, 'uniform': UniformGate, 'random': RandomGate}


@dataclass(frozen=True)
class Score:
    """Of a model on all images, moved in one way.

    Args:
        accuracy: top-1 or mIoU, in %.
        gmacs: of the backbone for one image, mean, in 1e9; gate and embedding included, sliding windows added up.
        tokens: of one image, mean, without prefix tokens.
    """

    accuracy: float
    gmacs: float
    tokens: float


@dataclass(frozen=True)
class Point:
    """One transform, and how both models did on the images that it moved."""

    transform: Transform
    learned: Score
    fixed: Score

    @property
    def gain(self) -> float:
        """Accuracy of the learned gate less that of the fixed one, in percentage points."""
        return self.learned.accuracy - self.fixed.accuracy

    @property
    def cost(self) -> float:
        """MACs of the learned gate over those of the fixed one."""
        return self.learned.gmacs / self.fixed.gmacs


def with_fixed_gate(model: AnalysedModel, kind: str, samples: Iterable[Sample], seed: int = 0) -> tuple[AnalysedModel, float]:
    """A model of the same weights with a fixed gate, as many regions of which are fine as the model's gate makes fine.

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


@torch.inference_mode()
def evaluate_points(
    learned: AnalysedModel,
    fixed: AnalysedModel,
    samples: Iterable[Sample],
    transforms: Sequence[Transform],
    fill: Tensor | float = 0.0,
) -> list[Point]:
    """Evaluate two models on the same moved images; a batch at a time is in memory.

    Args:
        learned: with the learned gate; the samples are its inputs.
        fixed: with the fixed gate, see `require_same_inputs`.
        samples: with labels.
        transforms: of all images each.
        fill: see `move_images`.

    Returns:
        One point for each transform.

    Raises:
        ValueError: a model is a detector, an image has no label, or there is no image.
    """
    learned.require_classes()
    models = (learned, fixed)
    tallies = [[_Tally(model) for model in models] for _ in transforms]
    for images, labels in _batches(samples, 1 if learned.segments else BATCH):
        for transform, pair in zip(transforms, tallies, strict=True):
            moved = move_images(images, transform, fill)
            target = move_labels(labels, transform) if learned.segments else labels
            for tally in pair:
                tally.add(moved, target)
    if not tallies[0][0].images:
        raise ValueError('there is no image')
    return [Point(transform, *(tally.score() for tally in pair)) for transform, pair in zip(transforms, tallies, strict=True)]


class _Tally:
    """What one model says of images that are moved in one way, and what that costs."""

    def __init__(self, model: AnalysedModel):
        self.model, self.images, self.tokens, self.macs = model, 0, 0.0, 0.0
        # right images and all; of a segmentor, pixels of intersection and union by class
        self.hits, self.all = (np.zeros(model.num_classes if model.segments else 1) for _ in range(2))

    def add(self, images: Tensor, labels: Tensor) -> None:
        trace = TokenTrace()
        hits, number = self._areas(images, labels) if self.model.segments else self._right(images, labels)
        self.hits += hits
        self.all += number
        self.images += len(images)
        for run in trace.drain():
            self.tokens += float(run.counts.sum())
            self.macs += float(run.macs().total.sum())

    def score(self) -> Score:
        with np.errstate(invalid='ignore'):
            parts = self.hits / self.all  # NaN for classes that are neither there nor named
        accuracy = 100 * float(np.nanmean(parts)) if self.all.any() else float('nan')
        return Score(accuracy, self.macs / self.images / 1e9, self.tokens / self.images)

    def _right(self, images: Tensor, labels: Tensor) -> tuple[float, float]:
        return float((self.model.forward(images).argmax(dim=1).cpu() == labels).sum()), len(images)

    def _areas(self, images: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
        said = torch.from_numpy(self.model.predict(images)).long()
        areas = IoUMetric.intersect_and_union(said, labels[0].long(), self.model.num_classes, UNKNOWN)
        return areas[0].numpy(), areas[1].numpy()


def _batches(samples: Iterable[Sample], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, 3, H, W) of one size with labels, (B,) or (B, H, W), in batches of at most ``size``."""
    waiting: dict[torch.Size, list[Sample]] = {}
    for sample in samples:
        if sample.label is None:
            raise ValueError(f'image {sample.name} of the test set has no label, so nothing can be compared')
        group = waiting.setdefault(sample.inputs.shape, [])
        group.append(sample)
        if len(group) == size:
            yield _joined(group)
            group.clear()
    for group in waiting.values():
        if group:
            yield _joined(group)


def _joined(group: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    return torch.cat([sample.inputs for sample in group]), torch.stack([_label(sample) for sample in group])


def _label(sample: Sample) -> Tensor:
    """() class index, or (H, W) of the size of the input, which may be padded at the right and the bottom."""
    label = torch.as_tensor(np.array(sample.label))
    if label.dim() == 0:
        return label
    height, width = (wide - side for wide, side in zip(sample.inputs.shape[-2:], label.shape, strict=True))
    return F.pad(label, (0, width, 0, height), value=UNKNOWN)
