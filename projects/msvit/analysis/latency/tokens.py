"""Time against tokens: Figure 10, and the latencies of Tables 3 and 4."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ...backbones import MSViT
from ..decisions import mask_of_tokens, native_inputs
from ..model import AnalysedModel, all_fine, overruled
from ..table import spread_of
from .timing import interleaved_times

COUNTS = 6  # of tokens, by default


def time_runs(
    runs: Mapping[tuple[int, int, str], Callable[[], object]], tokens: Mapping[tuple[int, int], int], rounds: int
) -> pd.DataFrame:
    """Time runs in turns.

    Args:
        runs: by batch size, number among those of this size, 0 the dense one, and the part of the model that runs.
        tokens: of each image, by batch size and number.
        rounds: timed calls of each, >= 1.

    Returns:
        A row for each timed call: ``batch``, ``number``, ``part``, ``tokens``, ``seconds`` of the batch, ``ms`` of an image.
    """
    times = interleaved_times(runs, rounds, warm_up=2)
    rows = [
        dict(batch=batch, number=number, part=part, tokens=tokens[batch, number], seconds=one, ms=1000 * one / batch)
        for (batch, number, part), seconds in times.items()
        for one in seconds
    ]
    return pd.DataFrame(rows)


def summarise_tokens(times: pd.DataFrame) -> list[dict[str, Any]]:
    """Take spreads over the rounds of `time_runs`.

    Returns:
        For each batch size the ``dense`` point and the ``mixed`` ones: ``batch``, ``tokens``, and by part the spread of
        ``seconds`` and how many times ``faster`` than dense, by the medians.
    """
    groups: dict[Hashable, list[dict[str, Any]]] = {}
    for (batch, _), rows in times.groupby(['batch', 'number'], sort=False):
        seconds = {part: spread_of(calls) for part, calls in rows.groupby('part', sort=False).seconds}
        points = groups.setdefault(batch, [])
        point: dict[str, Any] = dict(batch=batch, tokens=int(rows.tokens.iloc[0]), seconds=seconds)
        dense = points[0]['seconds'] if points else seconds
        point['faster'] = {part: dense[part]['median'] / one['median'] for part, one in seconds.items()}
        points.append(point)
    return [dict(dense=dense, mixed=mixed) for dense, *mixed in groups.values()]


def spaced_tokens(model: AnalysedModel) -> list[int]:
    """Space token counts of the config's own input evenly from every region coarse to every region fine."""
    grid = model.backbone.grid(native_inputs(model))
    return np.linspace(grid.num_coarse, grid.num_fine, COUNTS).round().astype(int).tolist()


@torch.inference_mode()
def time_tokens(
    model: AnalysedModel, tokens: Sequence[int], batch_sizes: Sequence[int] = (1,), rounds: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Time a model on noise of its config's input size under random decisions, all runs in turns.

    The gate runs, but does not decide. Dense is the same model with every region fine and no gate.

    Args:
        model: in the precision to time.
        tokens: of each image; a count that there is not becomes the next one that there is.
        batch_sizes: images of a batch.
        rounds: timed calls of each, >= 1.
        seed: of noise and decisions.

    Returns:
        See `time_runs`. Parts are ``blocks`` (the transformer's, which a Swin has not apart from its embedding), ``backbone``
        (with gate and embedding) and ``model`` (with its head).

    Raises:
        ValueError: such a number of tokens is not to be had.
    """
    backbone, runs, counts = model.backbone, {}, {}
    for batch in batch_sizes:
        images = in_precision(model, native_inputs(model, batch, seed))
        masks = [mask_of_tokens(backbone, images, count, seed) for count in tokens]
        contexts = [partial(all_fine, backbone), *(partial(overruled, backbone, mask) for mask in masks)]
        for number, context in enumerate(contexts):
            counts[batch, number] = token_count(model, images, context)
            runs |= {(batch, number, part): run for part, run in _parts(model, images, context).items()}
    return time_runs(runs, counts, rounds)


def set_precision(model: AnalysedModel, dtype: torch.dtype) -> None:
    """Cast a model's weights; images are still normalised in single precision."""
    for name, part in model.model.named_children():
        if name != 'data_preprocessor':
            part.to(dtype)


def in_precision(model: AnalysedModel, inputs: Tensor) -> Tensor:
    """Cast inputs to the precision of a model's weights."""
    return inputs.to(model.backbone.patch_embed.proj.weight.dtype)


def token_count(model: AnalysedModel, inputs: Tensor, context: Callable[[], AbstractContextManager[Any]]) -> int:
    """Count tokens of the first image in a context such as `all_fine`, without prefix tokens."""
    with context():
        mask = model.backbone.decide(inputs).fine_mask
    return int(model.backbone.grid(inputs).active(mask)[0].sum())


def _parts(
    model: AnalysedModel, images: Tensor, context: Callable[[], AbstractContextManager[nn.Module]]
) -> dict[str, Callable[[], object]]:
    """Tell what to time, by name, the decisions of a context in force."""

    def within(part: Callable[[Tensor], Any]) -> Callable[[], Any]:
        def run() -> Any:
            with context():
                return part(images)

        return run

    backbone, blocks = model.backbone, {}
    if isinstance(backbone, MSViT):
        blocks['blocks'] = partial(backbone.encode, within(backbone.tokenize)())
    return {**blocks, 'backbone': within(backbone), 'model': within(model.forward)}
