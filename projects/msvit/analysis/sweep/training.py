"""Training the points of a sweep, several at once, each in a process of its own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import torch

from .lock import BusyError, lock
from .points import Point
from .results import final_validation, last_checkpoint, write_result, write_text

TAIL = 15  # lines of the log of a failed point

# Validation alone, as a test.
_EVALUATION = """
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = dict(type='TestLoop')
"""


class PointError(RuntimeError):
    """A point could not be trained."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Args:
        point: that was trained.
        error: what went wrong, the end of the log included; empty if nothing did.
    """

    point: Point
    error: str = ''


def train_points(
    points: Sequence[Point], tools: Path, jobs: int = 1, started: Callable[[Point], None] = lambda point: None
) -> Iterator[Outcome]:
    """Train unfinished points with ``train.py --resume`` in subprocesses, and write their results.

    Closing the generator, or an exception such as Ctrl-C in it, ends the trainings; they go on from their last checkpoints the
    next time.

    Args:
        points: to train, in this order.
        tools: the folder of ``train.py`` and ``test.py``.
        jobs: trainings at a time, >= 1.
        started: called from another thread when a training begins.

    Returns:
        An outcome for each point, as they end.
    """
    children, gpus = _Children(), _gpus()
    slots: SimpleQueue[int] = SimpleQueue()
    for slot in range(jobs):
        slots.put(slot)

    def work(point: Point) -> Outcome:
        slot = slots.get()
        try:
            started(point)
            _train(point, tools, children, child_environment(os.environ, slot, jobs, gpus))
            return Outcome(point)
        except (PointError, BusyError) as error:
            return Outcome(point, str(error))
        finally:
            slots.put(slot)

    pool = ThreadPoolExecutor(jobs)
    try:
        for future in as_completed([pool.submit(work, point) for point in points]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # first, or the next training would start
        children.end()
        pool.shutdown()


def child_environment(environ: Mapping[str, str], slot: int, jobs: int, gpus: Sequence[str]) -> dict[str, str]:
    """The environment of one of several trainings: its share of the CPU cores, or one of the GPUs.

    Args:
        environ: of this process.
        slot: number of the training among those at a time, 0 to ``jobs - 1``.
        jobs: trainings at a time.
        gpus: names of the GPUs, as in ``CUDA_VISIBLE_DEVICES``.
    """
    environ = dict(environ)
    if jobs == 1:
        return environ
    if gpus:
        environ['CUDA_VISIBLE_DEVICES'] = gpus[slot % len(gpus)]
    else:
        environ.setdefault('OMP_NUM_THREADS', str(max(1, _cores() // jobs)))
    return environ


class _Children:
    """The subprocesses that run, which end together."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen] = set()
        self._guard, self._ended = threading.Lock(), False

    def run(self, command: list[str], log_file: Path, environ: dict[str, str], inherit: tuple[int, ...]) -> int:
        """Wait for a command whose output goes to the end of a log; its exit status."""
        with open(log_file, 'ab') as log:
            with self._guard:
                if self._ended:
                    raise PointError('the sweep has ended')
                child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, pass_fds=inherit
                )
                self._running.add(child)
            status = child.wait()
        with self._guard:
            self._running.discard(child)
        return status

    def end(self) -> None:
        """End those that run, and start none any more."""
        with self._guard:
            self._ended = True
            running = list(self._running)
        for child in running:
            child.terminate()
        for child in running:
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()


def _train(point: Point, tools: Path, children: _Children, environ: dict[str, str]) -> None:
    point.folder.mkdir(parents=True, exist_ok=True)
    with lock(point.folder) as inherit:
        if point.result_file.is_file():  # another sweep was faster
            return

        def run(tool: str, config: Path, *arguments: str | Path) -> None:
            command = [sys.executable, str(tools / tool), str(config), *map(str, arguments)]
            status = children.run(command, point.log_file, environ, inherit)
            if status:
                raise PointError(f'{tool} ended with status {status}. The end of {point.log_file}:\n{_tail(point.log_file)}')

        write_text(point.config_file, point.text)
        run('train.py', point.config_file, '--work-dir', point.run_dir, '--resume')
        metrics = final_validation(point.run_dir)
        if metrics is None:  # ended during the last validation, after the last checkpoint
            config, figures = point.folder / 'evaluation.py', point.folder / 'evaluation.json'
            write_text(config, point.text + _EVALUATION)
            run('test.py', config, last_checkpoint(point.run_dir), '--work-dir', point.folder / 'evaluation', '--out', figures)
            metrics = json.loads(figures.read_text(encoding='utf-8'))['metrics']
        write_result(point, metrics)


def _tail(log_file: Path) -> str:
    lines = log_file.read_text(encoding='utf-8', errors='replace').splitlines() if log_file.is_file() else []
    return '\n'.join(lines[-TAIL:])


def _gpus() -> list[str]:
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    count = torch.cuda.device_count()
    return visible.split(',')[:count] if visible else [str(number) for number in range(count)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
