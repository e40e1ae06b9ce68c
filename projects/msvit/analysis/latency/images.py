"""Time over real images, dense and mixed: the latencies of Tables 3 and 4."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import Tensor

from ..model import AnalysedModel, all_fine
from ..samples import Sample
from .timing import interleaved_times
from .tokens import in_precision, token_count


@dataclass(frozen=True)
class ImageLatency:
    """What an image took.

    Args:
        name: of the image.
        tokens: as the gate decides, without prefix tokens.
        dense_tokens: every region fine.
        mixed: median seconds as the gate decides, the gate included.
        dense: median seconds with every region fine and no gate.
    """

    name: str
    tokens: int
    dense_tokens: int
    mixed: float
    dense: float

    @property
    def faster(self) -> float:
        """How many times faster mixed is than dense."""
        return self.dense / self.mixed


@torch.inference_mode()
def time_images(model: AnalysedModel, samples: Iterable[Sample], rounds: int = 5) -> list[ImageLatency]:
    """Time a model on images one at a time, whole: in each round every image, dense and mixed in turns.

    Args:
        model: with a gate, in the precision to time.
        samples: the images; all are kept in memory.
        rounds: timed calls for each image, >= 1.

    Raises:
        ValueError: the model has no gate, so that dense and mixed are the same.
    """
    if model.backbone.gate is None:
        raise ValueError('the model has no gate, so dense and mixed are the same: name a config with a gate')
    names, runs, counts = [], {}, []
    contexts = dict(dense=partial(all_fine, model.backbone), mixed=nullcontext)
    for number, sample in enumerate(samples):
        inputs = in_precision(model, sample.inputs)
        names.append(sample.name)
        counts.append({name: token_count(model, inputs, context) for name, context in contexts.items()})
        runs[number, 'dense'] = partial(_dense, model, inputs)
        runs[number, 'mixed'] = partial(model.forward, inputs)
    times = interleaved_times(runs, rounds, warm_up=1)
    return [
        ImageLatency(name, count['mixed'], count['dense'], median(times[number, 'mixed']), median(times[number, 'dense']))
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
    ]


def _dense(model: AnalysedModel, inputs: Tensor) -> Tensor:
    with all_fine(model.backbone):
        return model.forward(inputs)
