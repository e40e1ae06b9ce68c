"""How well rescaled weights serve."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, partial
from itertools import zip_longest
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbones import TokenTrace
from ..cost import costs_of_images
from ..evaluate import evaluate, in_batches, judge, score
from ..model import AnalysedModel
from ..samples import Sample
from .places import Place
from .weights import METHODS, Method, require_vit, resample_projection, rescaled

BATCH_VALUES = 2**22  # of the largest images of a batch
MAX_BATCH = 50


class _Batch(NamedTuple):
    """Samples of the model's own size, the same images by enlargement, and what the untouched model says of them."""

    own: Sequence[Sample]
    read: Mapping[Fraction, Sequence[Sample]]
    said: Sequence[Tensor]


def evaluate_rescaled(
    model: AnalysedModel,
    samples: Iterable[Sample],
    places: Sequence[Place],
    methods: Sequence[Method] = METHODS,
    read: Mapping[Fraction, Iterable[Sample]] | None = None,
) -> pd.DataFrame:
    """Evaluate a model at other patch and image sizes.

    Args:
        model: stays as it is.
        samples: its own inputs, with or without labels.
        places: where to evaluate, see `places_of_tokens`.
        methods: of resampling, each at every place; at the own place the model runs untouched.
        read: by enlargement, the same images at other sizes, see `sized_models`; an image that one of them lacks is left out.

    Returns:
        A row for each place and method, none if there is no image: ``patch_size``, ``tokens_per_side`` and ``img_size`` of the
        place, whether it is the model's ``own``, whether its images were ``read`` at this size or resized, the ``method``,
        ``tokens`` and ``gmacs`` of an image, the ``accuracy`` in %, NaN without labels, and the ``agreement``: % of images, or
        pixels, of which the model says what it says untouched of the own input.

    Raises:
        TypeError: the model's backbone is no ViT.
        ValueError: the model is a detector.
    """
    model.require_classes()
    projection = require_vit(model.backbone).patch_embed.proj
    read, projection_of = read or {}, cache(partial(resample_projection, projection))
    runs = [(number, names, method) for number, place in enumerate(places) for names, method in _distinct(place, methods)]
    variants = {
        (number, names[0]): partial(_judge_at, model, places[number], method, projection_of) for number, names, method in runs
    }
    largest = max(place.enlargement for place in places)
    rows = evaluate(_batches(model, samples, read, largest), variants, ('place', 'method'))
    if rows.empty:
        return rows
    pixels = rows.groupby(['place', 'method'], sort=False)[['agreeing', 'compared']].sum()
    scores = score(rows, ('place', 'method')).assign(agreement=100 * pixels.agreeing / pixels.compared)
    return pd.DataFrame(
        {**_place_columns(places[number], read), 'method': name, **scores.loc[(number, names[0])]}
        for number, names, _ in runs
        for name in names
    )


def best_at_equal_tokens(scores: pd.DataFrame) -> pd.DataFrame:
    """Choose the best row for each number of tokens along a side that several patch sizes reach, see `evaluate_rescaled`."""
    several = scores.groupby('tokens_per_side').patch_size.transform('nunique') > 1
    value = scores.accuracy.fillna(scores.agreement)[several]
    return scores.loc[value.groupby(scores.tokens_per_side).idxmax()]


def _place_columns(place: Place, read: Mapping[Fraction, Any]) -> dict[str, Any]:
    return dict(
        patch_size=place.patch_size,
        tokens_per_side=place.tokens_per_side,
        img_size=place.img_size,
        own=place.is_own,
        read=place.enlargement in read,
    )


def _distinct(place: Place, methods: Sequence[Method]) -> list[tuple[tuple[str, ...], Method]]:
    """The methods that differ at a place, each with the names of those that are the same there."""
    groups: dict[tuple, list[Method]] = {}
    for method in methods:
        kernel = None if place.patch_size == place.own.patch_size else method.kernel
        groups.setdefault(() if place.is_own else (kernel, method.positions), []).append(method)
    return [(tuple(method.name for method in group), group[0]) for group in groups.values()]


def _judge_at(model: AnalysedModel, place: Place, method: Method, projection_of: Any, batch: _Batch) -> dict[str, Any]:
    backbone = require_vit(model.backbone)
    sources = batch.read.get(place.enlargement, batch.own)
    inputs = torch.cat([place.fit(one.inputs, own.inputs) for one, own in zip(sources, batch.own, strict=True)])
    projection: nn.Conv2d = projection_of(place.patch_size, method.kernel)
    trace = TokenTrace()
    with rescaled(backbone, projection, backbone.pos_embed_mode if place.is_own else method.positions):
        said = _predict(model, inputs, batch.own)
        costs = costs_of_images(trace.drain(), len(inputs))  # as long as patches have this size
    labels = [None if one.label is None else torch.as_tensor(np.array(one.label)) for one in batch.own]
    equal = [now == before for now, before in zip(said, batch.said, strict=True)]
    agreement = dict(agreeing=[int(one.sum()) for one in equal], compared=[one.numel() for one in equal])
    return judge(model, said, labels) | agreement | costs


def _predict(model: AnalysedModel, inputs: Tensor, own: Sequence[Sample]) -> list[Tensor]:
    """The class of each image, (), or of each pixel of its own input, (H, W), on the CPU."""
    scores = model.forward(inputs)
    if not model.segments:
        return list(scores.argmax(dim=1).cpu())
    size = own[0].inputs.shape[-2:]
    scores = F.interpolate(scores, size=size, mode='bilinear', align_corners=cast(bool, model.model.align_corners))
    shapes = (sample.image.shape[:2] for sample in own)  # without what the preprocessor padded
    return [one[:height, :width] for one, (height, width) in zip(scores.argmax(dim=1).cpu(), shapes, strict=True)]


def _batches(
    model: AnalysedModel, samples: Iterable[Sample], read: Mapping[Fraction, Iterable[Sample]], largest: Fraction
) -> Iterator[_Batch]:
    def size_of(row: tuple[Sample, ...]) -> float:
        return min(MAX_BATCH, float(BATCH_VALUES / (row[0].inputs.numel() * largest**2)))

    for rows in in_batches(_aligned([samples, *read.values()]), lambda row: row[0].inputs.shape, size_of):
        own, *others = zip(*rows, strict=True)
        said = _predict(model, torch.cat([sample.inputs for sample in own]), own)
        yield _Batch(own, dict(zip(read, others, strict=True)), said)


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
