"""Time over real images, dense and mixed: the latencies of Tables 3 and 4."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from ..model import AnalysedModel, all_fine
from ..samples import Sample
from .timing import interleaved_medians
from .tokens import in_precision, token_count


class Pair(NamedTuple):
    """An image that is to be timed: its name, and by ``'dense'`` and ``'mixed'`` what runs and how many tokens that has."""

    name: str
    runs: Mapping[str, Callable[[], object]]
    tokens: Mapping[str, int]


def time_pairs(pairs: Iterable[Pair], rounds: int) -> pd.DataFrame:
    """Time images one at a time: in each round every image, dense and mixed in turns.

    Args:
        pairs: the images; all are kept in memory.
        rounds: timed calls for each image, >= 1.

    Returns:
        A row for each image: its ``name``; ``tokens`` as the gate decides and ``dense_tokens``, every region fine, without
        prefix tokens; median seconds ``mixed`` and ``dense``; and how many times ``faster`` mixed is.
    """
    pairs = list(pairs)
    runs = {(number, kind): run for number, pair in enumerate(pairs) for kind, run in pair.runs.items()}
    seconds = interleaved_medians(runs, rounds, warm_up=1)
    rows = [
        dict(name=pair.name, tokens=pair.tokens['mixed'], dense_tokens=pair.tokens['dense'])
        | {kind: seconds[number, kind] for kind in ('mixed', 'dense')}
        for number, pair in enumerate(pairs)
    ]
    images = pd.DataFrame(rows, columns=['name', 'tokens', 'dense_tokens', 'mixed', 'dense'])
    return images.assign(faster=images.dense / images.mixed)


@torch.inference_mode()
def time_images(model: AnalysedModel, samples: Iterable[Sample], rounds: int = 5) -> pd.DataFrame:
    """Time a model on images, whole, as its gate decides and with every region fine and no gate; see `time_pairs`.

    Args:
        model: with a gate, in the precision to time.
        samples: the images.
        rounds: timed calls for each image, >= 1.

    Raises:
        ValueError: the model has no gate, so that dense and mixed are the same.
    """
    if model.backbone.gate is None:
        raise ValueError('the model has no gate, so dense and mixed are the same: name a config with a gate')
    return time_pairs(_pairs(model, samples), rounds)


def _pairs(model: AnalysedModel, samples: Iterable[Sample]) -> Iterator[Pair]:
    contexts = dict(dense=partial(all_fine, model.backbone), mixed=nullcontext)
    for sample in samples:
        inputs = in_precision(model, sample.inputs)
        runs = dict(dense=partial(_dense, model, inputs), mixed=partial(model.forward, inputs))
        yield Pair(sample.name, runs, {kind: token_count(model, inputs, context) for kind, context in contexts.items()})


def _dense(model: AnalysedModel, inputs: Tensor) -> Tensor:
    with all_fine(model.backbone):
        return model.forward(inputs)
