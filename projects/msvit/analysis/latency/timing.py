"""Wall-clock time of computations that take turns."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean, median
from typing import TypeVar

import torch
from tqdm import tqdm

Name = TypeVar('Name')
Item = TypeVar('Item')


def interleaved_times(
    runs: Mapping[Name, Callable[[], object]], rounds: int = 20, warm_up: int = 3
) -> dict[Name, list[float]]:
    """Time each call of each run, in turns, so that a noisy machine disturbs all alike.

    Args:
        runs: what to time, by name, e.g. ``dict(dense=lambda: dense(images), mixed=lambda: mixed(images))``. Gradients are
            recorded unless a run, or the caller, says otherwise.
        rounds: timed calls of each, >= 1.
        warm_up: calls of each before timing.

    Returns:
        Seconds of each timed call, by name, in the order of the rounds. Report ratios: seconds differ from machine to machine.
    """
    times: dict[Name, list[float]] = {name: [] for name in runs}
    with tqdm(total=(warm_up + rounds) * len(runs), desc='time', unit='run', leave=False, disable=None) as bar:
        for turn in range(warm_up + rounds):
            for name, run in runs.items():
                _wait_for_gpu()
                start = time.perf_counter()
                run()
                _wait_for_gpu()
                if turn >= warm_up:
                    times[name].append(time.perf_counter() - start)
                bar.update()
    return times


def interleaved_medians(runs: Mapping[Name, Callable[[], object]], rounds: int = 20, warm_up: int = 3) -> dict[Name, float]:
    """Take the median seconds of each run, see `interleaved_times`."""
    return {name: median(seconds) for name, seconds in interleaved_times(runs, rounds, warm_up).items()}


def seconds_per_item(
    runs: Mapping[Name, Callable[[Item], object]], items: Sequence[Item], rounds: int = 7
) -> dict[Name, float]:
    """Time runs on the same items, such as images, one at a time: on each item in turns.

    Args:
        runs: what to time, by name.
        items: at least one.
        rounds: timed calls of each run on each item, >= 1.

    Returns:
        Mean over the items of the median seconds of each.
    """
    calls = {(i, name): partial(run, item) for i, item in enumerate(items) for name, run in runs.items()}
    medians = interleaved_medians(calls, rounds, warm_up=1)
    return {name: fmean(medians[i, name] for i in range(len(items))) for name in runs}


def describe_machine(device: torch.device) -> str:
    """Tell what a time belongs to: the GPU, or the processor's kind and the threads in use."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{platform.machine()}, {torch.get_num_threads()} threads'


def short(value: float) -> str:
    """Three digits or more of a positive figure, without an exponent."""
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
