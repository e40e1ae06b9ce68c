"""How well rescaled weights serve."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from math import isnan, nan

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.evaluation import IoUMetric
from torch import Tensor, nn

from ...backbones import TokenTrace
from ..model import AnalysedModel
from ..samples import Sample
from .places import Place
from .weights import METHODS, Method, require_vit, resample_projection, rescaled

IGNORED = 255
BATCH_VALUES = 2**22  # of the largest images of a batch
MAX_BATCH = 50


@dataclass(frozen=True)
class Score:
    """Of one method at one place, in percent.

    Args:
        accuracy: top-1 of a classifier, mIoU of a segmentor on whole inputs; NaN without labels.
        agreement: share of images, or pixels, of which it says what the untouched model says of the own input.
    """

    accuracy: float
    agreement: float


@dataclass(frozen=True)
class Point:
    """A patch size on images of one size.

    Args:
        place: which.
        read: whether the test pipeline gave images of this size; else own inputs were resized.
        tokens: of one image, mean, without prefix tokens.
        gmacs: of the backbone for one image, mean, in 1e9; gate and embedding included.
        scores: by the name of the method.
    """

    place: Place
    read: bool
    tokens: float
    gmacs: float
    scores: Mapping[str, Score]

    def best(self) -> str:
        """The method that serves best here."""
        return max(self.scores, key=lambda name: value_of(self.scores[name]))


def value_of(score: Score) -> float:
    """The accuracy, or without labels the agreement."""
    return score.agreement if isnan(score.accuracy) else score.accuracy


def best_at_equal_tokens(points: Sequence[Point]) -> list[Point]:
    """For each number of tokens along a side that several patch sizes reach, the point of the best of them."""
    groups: dict[int, list[Point]] = {}
    for point in points:
        groups.setdefault(point.place.tokens_per_side, []).append(point)
    return [max(group, key=lambda point: value_of(point.scores[point.best()])) for group in groups.values() if len(group) > 1]


@torch.inference_mode()
def evaluate_rescaled(
    model: AnalysedModel,
    samples: Iterable[Sample],
    places: Sequence[Place],
    methods: Sequence[Method] = METHODS,
    read: Mapping[Fraction, Iterable[Sample]] | None = None,
) -> list[Point]:
    """Evaluate a model at other patch and image sizes; a batch at a time is in memory.

    Args:
        model: stays as it is.
        samples: its own inputs, with or without labels.
        places: where to evaluate, see `places_of_tokens`.
        methods: of resampling, each at every place; at the own place the model runs untouched.
        read: by enlargement, the same images at other sizes, see `sized_models`; an image that one of them lacks is left out.

    Returns:
        A point for each place; none if there is no image.

    Raises:
        TypeError: the model's backbone is no ViT.
        ValueError: the model is a detector.
    """
    model.require_classes()
    backbone, read = require_vit(model.backbone), read or {}
    projections: dict[tuple[int, str], nn.Conv2d] = {}
    tallies: dict[tuple[Place, tuple[str, ...]], _Tally] = {}
    runs = [(place, names, method) for place in places for names, method in _distinct(place, methods)]
    largest = max(place.enlargement for place in places)
    for own, others in _batches(samples, read, largest):
        images = torch.cat([sample.inputs for sample in own])
        said = _predict(model, images, own)
        for place, names, method in runs:
            key = place.patch_size, method.kernel
            if key not in projections:
                projections[key] = resample_projection(backbone.patch_embed.proj, *key)
            inputs = [
                place.fit(one.inputs, mine.inputs) for one, mine in zip(others.get(place.enlargement, own), own, strict=True)
            ]
            mode = backbone.pos_embed_mode if place.is_own else method.positions
            with rescaled(backbone, projections[key], mode):
                tallies.setdefault((place, names), _Tally(model)).add(torch.cat(inputs), own, said)
    return [_point(place, place.enlargement in read, tallies) for place in places if tallies]


def _distinct(place: Place, methods: Sequence[Method]) -> list[tuple[tuple[str, ...], Method]]:
    """The methods that differ at a place, each with the names of those that are the same there."""
    groups: dict[tuple, list[Method]] = {}
    for method in methods:
        kernel = None if place.patch_size == place.own.patch_size else method.kernel
        groups.setdefault(() if place.is_own else (kernel, method.positions), []).append(method)
    return [(tuple(method.name for method in group), group[0]) for group in groups.values()]


class _Tally:
    """What one method says at one place, and what that costs."""

    def __init__(self, model: AnalysedModel):
        self.model, self.images, self.tokens, self.macs = model, 0, 0.0, 0.0
        self.agreeing = self.compared = 0
        # images right and labelled; of a segmentor, pixels of intersection and union by class
        self.hits, self.all = (torch.zeros(model.num_classes if model.segments else 1, dtype=torch.double) for _ in range(2))

    def add(self, inputs: Tensor, own: Sequence[Sample], said: Sequence[Tensor]) -> None:
        """Run a batch.

        Args:
            inputs: (B, 3, H, W).
            own: the samples at the model's own size.
            said: what the untouched model said of them.
        """
        trace = TokenTrace()
        for now, before, sample in zip(_predict(self.model, inputs, own), said, own, strict=True):
            self.agreeing += int((now == before).sum())
            self.compared += now.numel()
            if sample.label is not None:
                self._judge(now, torch.as_tensor(np.array(sample.label)).long())
        for run in trace.drain():
            self.tokens += float(run.counts.sum())
            self.macs += float(run.macs().total.sum())
        self.images += len(own)

    def score(self) -> Score:
        parts = (self.hits / self.all)[self.all > 0]
        accuracy = 100 * float(parts.mean()) if len(parts) else nan
        return Score(accuracy, 100 * self.agreeing / self.compared)

    def _judge(self, now: Tensor, label: Tensor) -> None:
        if self.model.segments:
            areas = IoUMetric.intersect_and_union(now, label, self.model.num_classes, IGNORED)
            self.hits += areas[0]
            self.all += areas[1]
        else:
            self.hits += float(now == label)
            self.all += 1


def _predict(model: AnalysedModel, inputs: Tensor, own: Sequence[Sample]) -> list[Tensor]:
    """The class of each image, (), or of each pixel of its own input, (H, W), on the CPU."""
    scores = model.forward(inputs)
    if model.segments:
        size = own[0].inputs.shape[-2:]
        scores = F.interpolate(scores, size=size, mode='bilinear', align_corners=model.model.align_corners)
    classes = scores.argmax(dim=1).cpu()
    if not model.segments:
        return list(classes)
    shapes = (sample.image.shape[:2] for sample in own)  # without what the preprocessor padded
    return [one[:height, :width] for one, (height, width) in zip(classes, shapes, strict=True)]


def _batches(
    samples: Iterable[Sample], read: Mapping[Fraction, Iterable[Sample]], largest: Fraction
) -> Iterator[tuple[list[Sample], dict[Fraction, list[Sample]]]]:
    """Own inputs of equal size, and the same images by enlargement, in batches."""
    waiting: dict[tuple[int, ...], list[tuple[Sample, ...]]] = {}
    for row in _aligned([samples, *read.values()]):
        shape = tuple(row[0].inputs.shape)
        group = waiting.setdefault(shape, [])
        group.append(row)
        if len(group) >= min(MAX_BATCH, BATCH_VALUES / (row[0].inputs.numel() * largest**2)):
            yield _joined(waiting.pop(shape), read)
    for group in waiting.values():
        yield _joined(group, read)


def _aligned(sources: Sequence[Iterable[Sample]]) -> Iterator[tuple[Sample, ...]]:
    """The same image of all sources, whichever images each of them leaves out."""
    pending: dict[str, dict[int, Sample]] = {}
    for row in zip_longest(*sources):
        for number, sample in enumerate(row):
            if sample is not None:
                pending.setdefault(sample.name, {})[number] = sample
                if len(pending[sample.name]) == len(sources):
                    found = pending.pop(sample.name)
                    yield tuple(found[i] for i in range(len(sources)))


def _joined(
    rows: list[tuple[Sample, ...]], read: Mapping[Fraction, Iterable[Sample]]
) -> tuple[list[Sample], dict[Fraction, list[Sample]]]:
    own, *others = (list(column) for column in zip(*rows, strict=True))
    return own, dict(zip(read, others, strict=True))


def _point(place: Place, read: bool, tallies: Mapping[tuple[Place, tuple[str, ...]], _Tally]) -> Point:
    mine = {names: tally for (where, names), tally in tallies.items() if where == place}
    first = next(iter(mine.values()))
    scores = {name: tally.score() for names, tally in mine.items() for name in names}
    return Point(place, read, first.tokens / first.images, first.macs / first.images / 1e9, scores)
