"""Wall-clock time of models against each other."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from tqdm import tqdm


@torch.inference_mode()
def interleaved_medians(runs: Sequence[Callable[[], object]], rounds: int = 20, warm_up: int = 3) -> list[float]:
    """Median time of each run, measured in turns, so that a noisy machine disturbs all alike.

    Args:
        runs: what to time, e.g. ``[lambda: dense(images), lambda: mixed(images)]``.
        rounds: timed calls of each, >= 1.
        warm_up: calls of each before timing.

    Returns:
        Seconds per call, in the order of ``runs``. Report ratios: seconds differ from machine to machine.
    """
    times: list[list[float]] = [[] for _ in runs]
    for turn in tqdm(range(warm_up + rounds), desc='timing', leave=False):
        for seconds, run in zip(times, runs, strict=True):
            start = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn >= warm_up:
                seconds.append(time.perf_counter() - start)
    return [median(seconds) for seconds in times]
