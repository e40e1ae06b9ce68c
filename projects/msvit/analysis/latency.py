"""Wall-clock time of models against each other."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from tqdm import tqdm


def interleaved_medians(runs: Mapping[str, Callable[[], object]], rounds: int = 20, warm_up: int = 3) -> dict[str, float]:
    """Median time of each run, measured in turns, so that a noisy machine disturbs all alike.

    Args:
        runs: what to time, by name, e.g. ``dict(dense=lambda: dense(images), mixed=lambda: mixed(images))``. Gradients are
            recorded unless a run, or the caller, says otherwise.
        rounds: timed calls of each, >= 1.
        warm_up: calls of each before timing.

    Returns:
        Seconds per call, by name. Report ratios: seconds differ from machine to machine.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in tqdm(range(warm_up + rounds), desc=' / '.join(runs), leave=False):
        for name, run in runs.items():
            _wait_for_gpu()
            start = time.perf_counter()
            run()
            _wait_for_gpu()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
