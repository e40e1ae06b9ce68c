"""The evaluator of all studies: what variants of a model say of images, and what that costs, as a tidy table."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from mmseg.evaluation import IoUMetric
from torch import Tensor

from ..backbones import TokenTrace
from .cost import costs_of_images
from .model import AnalysedModel

IGNORED = 255  # label of pixels that nobody knows

Batch = TypeVar('Batch')
Key = TypeVar('Key', bound=tuple[Hashable, ...])
Row = TypeVar('Row')


@torch.inference_mode()
def evaluate(
    batches: Iterable[Batch],
    variants: Mapping[Key, Callable[[Batch], Mapping[str, Sequence[Any]]]],
    names: Sequence[str],
) -> pd.DataFrame:
    """Run every variant on every batch; a batch at a time is in memory.

    Args:
        batches: whatever the variants take; images of one size each, see `in_batches`.
        variants: what each says of a batch: columns with one value for every image, such as those of `judge`.
        names: of the parts of the variants' keys.

    Returns:
        A row for each variant and image: the key, ``tokens`` without prefix tokens and ``gmacs`` of the backbone, summed over
        sliding windows, and the variant's own columns, which come before costs of the same name.
    """
    trace, frames = TokenTrace(), []
    for batch in batches:
        for key, run in variants.items():
            trace.drain()
            said = run(batch)
            images = len(next(iter(said.values())))
            columns = {**costs_of_images(trace.drain(), images), **said}
            frames.append(pd.DataFrame({**{name: [part] * images for name, part in zip(names, key, strict=True)}, **columns}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def judge(model: AnalysedModel, said: Sequence[Tensor], labels: Sequence[Tensor | None]) -> dict[str, list[Any]]:
    """Compare predictions with labels.

    Args:
        model: that said so.
        said: class of each image, (), or of each of its pixels, (H, W); on the CPU.
        labels: of the same shapes, `IGNORED` where nobody knows; None: no label.

    Returns:
        ``hits`` and ``known`` of each image, for `accuracy`: of a segmentor pixels of intersection and union, (classes,).
    """
    hits, known = [], []
    for now, label in zip(said, labels, strict=True):
        if label is None:
            right, of = 0.0, 0.0
        elif model.segments:
            right, of, *_ = IoUMetric.intersect_and_union(now.long(), label.long(), model.num_classes, IGNORED)
            right, of = right.double().numpy(), of.double().numpy()
        else:
            right, of = float(now == label), 1.0
        hits.append(right)
        known.append(of)
    return dict(hits=hits, known=known)


def accuracy(rows: pd.DataFrame) -> float:
    """Top-1 of a classifier, mIoU of a segmentor over all images together, in percent; NaN without labels."""
    hits, known = (np.atleast_1d(rows[name].to_numpy().sum()) for name in ('hits', 'known'))
    there = known > 0
    return 100 * float(np.mean(hits[there] / known[there])) if there.any() else float('nan')


def score(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean ``tokens`` and ``gmacs`` of an image, and the `accuracy`, of each group of rows.

    Args:
        rows: see `evaluate`.
        by: names of the columns that tell groups apart.
    """
    groups = rows.groupby(list(by), sort=False)
    return groups[['tokens', 'gmacs']].mean().assign(accuracy=groups[['hits', 'known']].apply(accuracy))


def in_batches(
    rows: Iterable[Row], shape_of: Callable[[Row], Hashable], size_of: Callable[[Row], float]
) -> Iterator[list[Row]]:
    """Put images of one shape together.

    Args:
        rows: images, one by one.
        shape_of: what must be equal within a batch.
        size_of: how many of them make a batch, >= 1.
    """
    waiting: dict[Hashable, list[Row]] = {}
    for row in rows:
        group = waiting.setdefault(shape_of(row), [])
        group.append(row)
        if len(group) >= size_of(row):
            yield waiting.pop(shape_of(row))
    yield from waiting.values()
