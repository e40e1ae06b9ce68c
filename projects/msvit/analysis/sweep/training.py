"""Training the points of a sweep, several at once, each in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from .points import Point
from .results import final_validation, last_checkpoint, write_result, write_text

TAIL = 15  # lines of the log of a failed point
PATIENCE = 10.0  # seconds until a training that was told to end is killed

# Validation alone, as a test.
_EVALUATION = """
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = dict(type='TestLoop')
"""


class PointError(RuntimeError):
    """A point could not be trained."""


class Outcome(NamedTuple):
    """How a training ended.

    Args:
        point: that was trained.
        error: what went wrong, the end of the log included; empty if nothing did.
    """

    point: Point
    error: str = ''


def train_points(
    points: Sequence[Point],
    tools: Path,
    jobs: int = 1,
    started: Callable[[Point], None] = lambda point: None,
    ended: Callable[[Outcome], None] = lambda outcome: None,
) -> None:
    """Train unfinished points with ``train.py --resume`` in subprocesses, and write their results.

    Args:
        points: to train, in this order.
        tools: the folder of ``train.py`` and ``test.py``.
        jobs: trainings at a time, >= 1.
        started: called when a training begins.
        ended: called when it has ended.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, which end the trainings; they go on from their last checkpoints next time.
    """
    try:
        asyncio.run(_train_all(points, tools, jobs, started, ended))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _train_all(
    points: Sequence[Point],
    tools: Path,
    jobs: int,
    started: Callable[[Point], None],
    ended: Callable[[Outcome], None],
) -> None:
    waiting, gpus = deque(points), _gpus()

    async def work(slot: int) -> None:
        environ = child_environment(os.environ, slot, jobs, gpus)
        while waiting:
            point = waiting.popleft()
            started(point)
            try:
                await _train(point, tools, environ)
                ended(Outcome(point))
            except PointError as error:
                ended(Outcome(point, str(error)))

    workers = asyncio.gather(*map(work, range(jobs)))
    with suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, workers.cancel)
    await workers


def child_environment(environ: Mapping[str, str], slot: int, jobs: int, gpus: Sequence[str]) -> dict[str, str]:
    """Give one of several trainings its share of the CPU cores, or one of the GPUs.

    Args:
        environ: of this process.
        slot: number of the training among those at a time, 0 to ``jobs - 1``.
        jobs: trainings at a time.
        gpus: names of the GPUs, as in ``CUDA_VISIBLE_DEVICES``.
    """
    environ = dict(environ)
    if jobs > 1 and gpus:
        environ['CUDA_VISIBLE_DEVICES'] = gpus[slot % len(gpus)]
    elif jobs > 1:
        environ.setdefault('OMP_NUM_THREADS', str(max(1, (os.cpu_count() or 1) // jobs)))
    return environ


async def _train(point: Point, tools: Path, environ: dict[str, str]) -> None:
    async def run(tool: str, config: Path, *arguments: str | Path) -> None:
        status = await _run([sys.executable, str(tools / tool), str(config), *map(str, arguments)], point.log_file, environ)
        if status:
            tail = '\n'.join(point.log_file.read_text(encoding='utf-8', errors='replace').splitlines()[-TAIL:])
            raise PointError(f'{tool} ended with status {status}. The end of {point.log_file}:\n{tail}')

    point.folder.mkdir(parents=True, exist_ok=True)
    write_text(point.config_file, point.text)
    # a work dir serves one training at a time: one that a killed sweep has left behind makes this one fail
    await run('train.py', point.config_file, '--work-dir', point.run_dir, '--resume')
    metrics, checkpoint = final_validation(point.run_dir), last_checkpoint(point.run_dir)
    if metrics is None and checkpoint:  # ended during the last validation, after the last checkpoint
        config, figures = point.folder / 'evaluation.py', point.folder / 'evaluation.json'
        write_text(config, point.text + _EVALUATION)
        await run('test.py', config, checkpoint, '--work-dir', point.folder / 'evaluation', '--out', figures)
        metrics = json.loads(figures.read_text(encoding='utf-8'))['metrics']
    if metrics is None:
        raise PointError(f'train.py left neither a validation nor a checkpoint in {point.run_dir}')
    write_result(point, metrics)


async def _run(command: list[str], log_file: Path, environ: dict[str, str]) -> int:
    """Wait for a command whose output goes to the end of a log; end it where this is cancelled. Its exit status."""
    with open(log_file, 'ab') as log:
        child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=log, stderr=log, env=environ)
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), PATIENCE)
            except asyncio.TimeoutError:
                child.kill()


def _gpus() -> list[str]:
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    count = torch.cuda.device_count()
    return visible.split(',')[:count] if visible else [str(number) for number in range(count)]
