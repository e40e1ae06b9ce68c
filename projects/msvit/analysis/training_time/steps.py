"""Measuring any training steps against each other."""

from collections.abc import Callable, Mapping
from itertools import count
from statistics import mean
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from ..latency import interleaved_times
from ..memory import peak_memory
from ..table import spread_of


class StepCost(NamedTuple):
    """What a training step costs.

    Args:
        seconds: spread over the timed steps, see `table.spread`.
        peak_bytes: that the step holds at its highest beyond weights and optimiser state, see `PeakMemory`.
        tokens: of an image, mean over the steps, without prefix tokens.
    """

    seconds: dict[str, float]
    peak_bytes: int
    tokens: float


def measure_steps(
    steps: Mapping[str, Callable[[int], float | Tensor]], rounds: int, warm_up: int = 1, seed: int = 0
) -> dict[str, StepCost]:
    """Measure time and memory of training steps, in turns; step n of each sees the same random numbers.

    Args:
        steps: by name; called with n = 0, 1, 2, ..., they return the mean tokens of the batch.
        rounds: timed steps of each, >= 1.
        warm_up: steps of each before timing.
        seed: of the random numbers.
    """
    tokens: dict[str, list[float | Tensor]] = {name: [] for name in steps}

    def counted(name: str) -> Callable[[], None]:
        numbers = count()

        def run() -> None:
            number = next(numbers)
            torch.manual_seed(seed + number)
            tokens[name].append(steps[name](number))

        return run

    runs = {name: counted(name) for name in steps}
    times = interleaved_times(runs, rounds, warm_up)
    peaks = {name: peak_memory(run) for name, run in runs.items()}
    return {name: StepCost(spread_of(pd.Series(times[name])), peaks[name], mean(map(float, tokens[name]))) for name in steps}
