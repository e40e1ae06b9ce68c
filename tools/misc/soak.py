"""Kill a small training at random moments, resume it each time, and compare what it ends with with an uninterrupted run.

python tools/misc/soak.py --kills 200 --out soak.json   # a quarter of an hour on one CPU core

The training is a mixed-scale Segmenter on a few DigitScenes, run by tools/train.py in a process of its own, which a SIGKILL
ends. After every kill each checkpoint in the work dir must be whole. A training that reaches its end is compared with
the uninterrupted one, tensor by tensor: weights, optimiser and schedulers of the last checkpoint, weights of the best one.
Then the next training begins, until there were enough kills. The moments are drawn in CPU time, so that a busy machine, on
which all takes longer, changes nothing. For Linux.
"""

import argparse
import importlib
import json
import os
import random
import runpy
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from tqdm import tqdm

from msvit.datasets import build_digit_scenes
from msvit.engine.safe_load import load_checkpoint_file

# imported here, once: a fork then begins to train at once
for name in ('mmseg.models', 'msvit.engine.launch', 'torch.utils.tensorboard', 'matplotlib.pyplot'):
    importlib.import_module(name)

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'msseg_mini8_128x128_digit_scenes.py'
ITERATIONS = 8
OPTIONS = (
    f'train_cfg.max_iters={ITERATIONS}',
    'train_cfg.val_interval=4',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1',
    'param_scheduler.0.end=4',
    'param_scheduler.1.begin=4',
    f'param_scheduler.1.end={ITERATIONS}',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0',
    'custom_hooks.2.images=1',
    'custom_hooks.3.iters=2',
)
COMPARED = ('state_dict', 'optimizer', 'param_schedulers')


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=200, help='how many kills (default: 200)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/soak'), help='folder to work in; it is made anew')
    parser.add_argument('--seed', type=int, default=0, help='of the moments of the kills')
    parser.add_argument('--out', type=Path, help='JSON file for the figures')
    args = parser.parse_args()
    torch.set_num_threads(1)
    shutil.rmtree(args.work_dir, ignore_errors=True)
    data = build_digit_scenes(args.work_dir / 'scenes', train=12, val=2, size=128, seed=0)

    whole = args.work_dir / 'uninterrupted'
    before = os.times()
    if problem := attempt(whole, data, None):
        raise SystemExit(f'error: the uninterrupted training failed: {problem}')
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    figures = soak(args.work_dir, data, whole, seconds, args.kills, random.Random(args.seed))
    print(json.dumps(figures, indent=2))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + '\n')
    if figures['failures']:
        raise SystemExit('error: see failures')


def soak(folder: Path, data: Path, whole: Path, seconds: float, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill and resume until there were enough kills and the last training has ended.

    Args:
        folder: for the work dirs.
        data: the scenes.
        whole: work dir of the uninterrupted training.
        seconds: of CPU time that it took; a kill comes when a process has used between 0 and this much.
        kills: how many.
        rng: draws the moments.

    Returns:
        The figures, with the failures in words.
    """
    counts, failures, number = Counter(), [], 0
    bar = tqdm(total=kills, unit='kill')
    while counts['kills'] < kills:
        number += 1
        work_dir = folder / f'killed_{number}'
        while True:
            moment = rng.uniform(0, seconds) if counts['kills'] < kills else None
            problem = attempt(work_dir, data, moment)
            if problem != 'killed':
                break
            counts['kills'] += 1
            counts['kills_within_a_save'] += any(work_dir.glob('*.partial'))
            failures += [f'{work_dir.name}: {text}' for text in broken(work_dir)]
            bar.update()
        counts['trainings'] += 1
        found = [problem] if problem else list(differences(whole, work_dir))
        failures += [f'{work_dir.name}: {text}' for text in found]
        if not found:
            counts['trainings_equal'] += 1
            shutil.rmtree(work_dir)
    bar.close()
    return {'iterations': ITERATIONS, 'cpu_seconds_uninterrupted': round(seconds, 1), **counts, 'failures': failures}


def attempt(work_dir: Path, data: Path, moment: float | None) -> str:
    """Train or resume in a new process.

    Args:
        work_dir: of the training; its output is added to ``WORK_DIR.log``.
        data: the scenes.
        moment: seconds of CPU time at which the process is killed; None: never.

    Returns:
        ``'killed'``, what went wrong, or nothing where the training has come to its end.
    """
    process = os.fork()
    if process == 0:
        _train(work_dir, data)
    while True:
        ended, status = os.waitpid(process, 0 if moment is None else os.WNOHANG)
        if ended:
            return '' if status == 0 else f'ended with status {status}, see {work_dir}.log'
        if _cpu_seconds(process) >= moment:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return 'killed'
        time.sleep(0.003)


def _cpu_seconds(process: int) -> float:
    """What a process that lives, or nobody has waited for, has used."""
    figures = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    return (int(figures[11]) + int(figures[12])) / os.sysconf('SC_CLK_TCK')


def _train(work_dir: Path, data: Path) -> None:
    """Become tools/train.py; does not return."""
    # Every checkpoint holds the config as a text, whose layout takes half of the time of so small a training.
    Config.pretty_text = property(repr)  # in this process, a fork
    status = 1
    try:
        log = os.open(f'{work_dir}.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        places = [f'{loader}.dataset.data_root={data}' for loader in ('train_dataloader', 'val_dataloader')]
        sizes = [f'{loader}.dataset.build=None' for loader in ('train_dataloader', 'val_dataloader')]
        options = ['--cfg-options', *OPTIONS, *places, *sizes]
        sys.argv = ['train.py', str(CONFIG), '--work-dir', str(work_dir), '--resume', *options]
        runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def broken(work_dir: Path) -> Iterator[str]:
    """The checkpoints of a work dir that cannot be read, and a record of the last one that names none."""
    for path in work_dir.glob('*.pth'):
        try:
            load_checkpoint_file(path, 'cpu')
        except ValueError as error:
            yield str(error)
    record = work_dir / 'last_checkpoint'
    if record.exists() and not Path(record.read_text()).is_file():
        yield f'last_checkpoint names {record.read_text()!r}'


def differences(whole: Path, resumed: Path) -> Iterator[str]:
    """What the resumed training has otherwise than the uninterrupted one."""
    names, others = ({path.name for path in folder.glob('*.pth')} for folder in (whole, resumed))
    if names != others:
        yield f'holds {sorted(others)}, not {sorted(names)}'
    for name in sorted(names & others):
        expected, actual = (load_checkpoint_file(folder / name, 'cpu') for folder in (whole, resumed))
        for entry in COMPARED:
            for place in _unequal(expected.get(entry), actual.get(entry), entry):
                yield f'{name}: {place} differs'


def _unequal(expected: Any, actual: Any, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        for key in expected:
            yield from _unequal(expected[key], actual[key], f'{place}.{key}')
    elif isinstance(expected, list | tuple) and isinstance(actual, list | tuple) and len(expected) == len(actual):
        for i, pair in enumerate(zip(expected, actual, strict=True)):
            yield from _unequal(*pair, f'{place}.{i}')
    elif isinstance(expected, torch.Tensor) and isinstance(actual, torch.Tensor):
        if expected.dtype != actual.dtype or not torch.equal(expected, actual):
            yield place
    elif type(expected) is not type(actual) or expected != actual:
        yield place


if __name__ == '__main__':
    main()
