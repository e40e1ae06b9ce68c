"""Time of exported models in ONNX Runtime: against tokens, and over real images."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from ...runtime import OnnxModel
from .images import Pair, time_pairs
from .tokens import COUNTS, time_runs

ALL_FINE = dict(threshold=0.0, budget=None)


def time_file_tokens(file: OnnxModel, tokens: Sequence[int] | None = None, rounds: int = 15, seed: int = 0) -> pd.DataFrame:
    """Time an exported model on noise of the size that it was made for, at token counts that a budget brings about.

    The gate decides, and the budget says of how many regions. Dense is the same graph with every region fine.

    Args:
        file: with a gate.
        tokens: of the image; a count that there is not becomes the next one that there is. None: evenly spaced from every
            region coarse to every region fine.
        rounds: timed calls of each, >= 1.
        seed: of the noise.

    Returns:
        See `time_runs`.

    Raises:
        ValueError: the model has no gate, or such a number of tokens is not to be had.
    """
    _require_gate(file)
    height, width = file.info.image_size
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    inputs = file.normalise(noise)
    coarse, dense = int(file.run(inputs, threshold=1.0, budget=0)['tokens'][0]), file.dense_tokens(inputs.shape[2:])
    wanted = np.linspace(coarse, dense, COUNTS).round().astype(int).tolist() if tokens is None else tokens
    runs, counts = {(1, 0, 'model'): partial(file.run, inputs, **ALL_FINE)}, {(1, 0): dense}
    for number, count in enumerate(wanted, start=1):
        if not coarse <= count <= dense:
            raise ValueError(
                f'{count} tokens are not to be had: an input of {height}x{width} pixels has {coarse} (every region coarse) to '
                f'{dense} (every region fine)'
            )
        run = partial(file.run, inputs, threshold=0.0, budget=(count - coarse) / max(dense - coarse, 1))
        runs[1, number, 'model'], counts[1, number] = run, int(run()['tokens'][0])
    return time_runs(runs, counts, rounds)


def time_file_images(file: OnnxModel, images: Iterable[tuple[str, np.ndarray]], rounds: int = 5) -> pd.DataFrame:
    """Time an exported model on images, as its gate decides and with every region fine; see `time_pairs`.

    Args:
        file: with a gate.
        images: names, and (H, W, 3) RGB of 0..255 as the model sees them.
        rounds: timed calls for each image, >= 1.

    Raises:
        ValueError: the model has no gate.
    """
    _require_gate(file)

    def pair(name: str, image: np.ndarray) -> Pair:
        inputs = file.normalise(image)
        runs = dict(dense=partial(file.run, inputs, **ALL_FINE), mixed=partial(file.run, inputs))
        return Pair(name, runs, {kind: int(run()['tokens'][0]) for kind, run in runs.items()})

    return time_pairs((pair(*one) for one in images), rounds)


def _require_gate(file: OnnxModel) -> None:
    if file.info.threshold is None:
        raise ValueError(f'{file.path} has no gate, so dense and mixed are the same: "msvit compare" times it against another')
