"""Time of exported models in ONNX Runtime: against tokens, and over real images."""

from collections.abc import Iterable, Sequence
from functools import partial
from statistics import median

import numpy as np

from ...runtime import OnnxModel
from ..spread import Spread
from .images import ImageLatency
from .timing import interleaved_times
from .tokens import COUNTS, TokenLatency

ALL_FINE = dict(threshold=0.0, budget=None)


def time_file_tokens(
    file: OnnxModel, tokens: Sequence[int] | None = None, rounds: int = 15, seed: int = 0
) -> tuple[TokenLatency, list[TokenLatency]]:
    """Time an exported model on noise of the size that it was made for, at token counts that a budget brings about.

    The gate decides, and the budget says of how many regions. Dense is the same graph with every region fine.

    Args:
        file: with a gate.
        tokens: of the image; a count that there is not becomes the next one that there is. None: evenly spaced from every
            region coarse to every region fine.
        rounds: timed calls of each, >= 1.
        seed: of the noise.

    Raises:
        ValueError: the model has no gate, or such a number of tokens is not to be had.
    """
    _require_gate(file)
    height, width = file.info.image_size
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    inputs = file.normalise(noise)
    coarse, dense = _ends(file, inputs)
    counts = np.linspace(coarse, dense, COUNTS).round().astype(int).tolist() if tokens is None else tokens
    runs = {(-1, dense): partial(file.run, inputs, **ALL_FINE)}
    for number, count in enumerate(counts):
        if not coarse <= count <= dense:
            raise ValueError(
                f'{count} tokens are not to be had: an input of {height}x{width} pixels has {coarse} (every region coarse) to '
                f'{dense} (every region fine)'
            )
        run = partial(file.run, inputs, threshold=0.0, budget=(count - coarse) / max(dense - coarse, 1))
        runs[number, int(run()['tokens'][0])] = run
    times = interleaved_times(runs, rounds, warm_up=2)
    points = [TokenLatency(1, count, dict(model=Spread.of(seconds))) for (_, count), seconds in times.items()]
    return points[0], points[1:]


def time_file_images(file: OnnxModel, images: Iterable[tuple[str, np.ndarray]], rounds: int = 5) -> list[ImageLatency]:
    """Time an exported model on images one at a time, as its gate decides and with every region fine, in turns.

    Args:
        file: with a gate.
        images: names, and (H, W, 3) RGB of 0..255 as the model sees them.
        rounds: timed calls for each image, >= 1.

    Raises:
        ValueError: the model has no gate.
    """
    _require_gate(file)
    names, runs, counts = [], {}, []
    for number, (name, image) in enumerate(images):
        inputs = file.normalise(image)
        names.append(name)
        for kind, settings in (('dense', ALL_FINE), ('mixed', {})):
            runs[number, kind] = partial(file.run, inputs, **settings)
        counts.append({kind: int(runs[number, kind]()['tokens'][0]) for kind in ('dense', 'mixed')})
    times = interleaved_times(runs, rounds, warm_up=1)
    return [
        ImageLatency(name, count['mixed'], count['dense'], median(times[number, 'mixed']), median(times[number, 'dense']))
        for number, (name, count) in enumerate(zip(names, counts, strict=True))
    ]


def _ends(file: OnnxModel, inputs: np.ndarray) -> tuple[int, int]:
    """Tokens with every region coarse, and with every region fine."""
    return int(file.run(inputs, threshold=1.0, budget=0)['tokens'][0]), file.dense_tokens(inputs.shape[2:])


def _require_gate(file: OnnxModel) -> None:
    if file.info.threshold is None:
        raise ValueError(f'{file.path} has no gate, so dense and mixed are the same: "msvit compare" times it against another')
