"""What the command-line tools share: their arguments, and the way from a config file to a runner."""

import argparse
import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import DATASETS, RUNNERS, init_default_scope
from mmengine.runner import Runner

from msvit.compat import require_scope
from msvit.engine.consistency_hook import ConsistencyHook
from msvit.engine.cpu_processes import join_cpu_processes
from msvit.engine.finite_loss_hook import FiniteLossHook
from msvit.engine.latest_checkpoint import latest_checkpoint
from msvit.engine.safe_load import install_safe_loading

# Modules whose errors speak to the user.
_SPEAKERS = ('msvit.', 'mmengine.registry.', 'mmengine.runner.checkpoint')


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all tools have, as OpenMMLab users know them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, e.g. optim_wrapper.optimizer.lr=0.01 model.gate.target=0.25; '
        'lists as key="[a,b]" or key=a,b, without blanks',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # torch.distributed.launch passes it in one spelling or the other.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """Read the config that the arguments of :func:`make_parser` name, and apply them to it.

    Args:
        args: with ``config``, ``work_dir``, ``cfg_options``, ``launcher`` and ``local_rank``.

    Returns:
        The config, with ``work_dir`` (the argument, else the config's own, else ``work_dirs/<name of the config>``).

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: it is not of a kind that mmengine reads, or the launcher cannot be right.
    """
    if args.launcher in ('slurm', 'mpi') and get_device() == 'cpu':
        raise ValueError(
            f'--launcher {args.launcher} needs GPUs, and there is none: start processes on CPUs by torchrun, with --launcher '
            'pytorch, or run this tool alone.'
        )
    if args.launcher == 'pytorch' and 'RANK' not in os.environ:
        raise ValueError('--launcher pytorch is for processes that torchrun starts: see tools/dist_train.sh.')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    return cfg


def read_config(path: str | Path, options: dict | None = None) -> Config:
    """Read a config file.

    Args:
        path: of the file. Those of the project ship with it: ``configs/NAME.py`` and ``NAME.py`` are found from anywhere,
            those of configs/small/ too.
        options: settings that replace its own, as ``--cfg-options`` gives them.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: it is not of a kind that mmengine reads.
    """
    path = _find_config(Path(path))
    if path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise ValueError(f'{path} is no config: a .py, .json or .yaml file is needed.')
    cfg = Config.fromfile(str(path))
    if options:
        cfg.merge_from_dict(options)
    return cfg


def _find_config(path: Path) -> Path:
    """The file, or the config of the project that has this name."""
    if path.is_file():
        return path
    packaged = Path(__file__).resolve().parents[1] / 'configs'
    folder = packaged if packaged.is_dir() else packaged.parents[2] / 'configs'  # of an installed package; of a clone
    if path.parent.as_posix() in ('.', 'configs', 'configs/small'):
        for file in (folder / path.name, folder / 'small' / path.name):
            if file.is_file():
                return file
    raise FileNotFoundError(f'There is no config {path}; those of the project are in configs/ and configs/small/.')


def require_checkpoint(path: str) -> str:
    """Return the path of a checkpoint that is there, or an address unchanged.

    Raises:
        FileNotFoundError: there is no such file; says which config makes it, if it lies in the default work dir of one.
    """
    if '://' not in path and not Path(path).expanduser().is_file():
        config = next(Path('configs').rglob(f'{Path(path).parent.name}.py'), None)
        how = f' It comes from another training: python tools/train.py {config}' if config else ''
        raise FileNotFoundError(f'There is no checkpoint {path}.{how}')
    return path


def enable_amp(cfg: Config) -> None:
    """Train in mixed precision: on a GPU by an ``AmpOptimWrapper``, on a CPU in bfloat16.

    Raises:
        ValueError: the config has an optimizer wrapper of another kind.
    """
    on_gpu, on_cpu = 'AmpOptimWrapper', 'msvit.CPUAutocastOptimWrapper'
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', on_gpu, on_cpu):
        raise ValueError(f'--amp replaces an OptimWrapper, but the config has {kind}: leave --amp out.')
    if torch.cuda.is_available():
        cfg.optim_wrapper.type = on_gpu
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        cfg.optim_wrapper.type = on_cpu
        for name in ('loss_scale', 'dtype', 'use_fsdp'):  # of the one for GPUs alone
            cfg.optim_wrapper.pop(name, None)


def set_resume(cfg: Config, resume: str) -> None:
    """Continue an interrupted training.

    Args:
        cfg: with ``work_dir`` set.
        resume: a checkpoint of the run, or 'auto' for the latest whole one in the work dir; where there is none, training
            starts afresh and says so.

    Raises:
        FileNotFoundError: the checkpoint is not there.
        CheckpointError: there are checkpoints in the work dir, and none of them can be read.
    """
    if resume == 'auto':
        latest = latest_checkpoint(Path(cfg.work_dir))
        if latest is None:
            print_log(f'Nothing to resume in {cfg.work_dir}: training starts from the beginning.', logger='current')
            cfg.resume = False
            return
        resume = str(latest)
    cfg.resume = True
    cfg.load_from = require_checkpoint(resume)


def build_runner(cfg: Config, whole_checkpoint: bool) -> Runner:
    """Build the runner that the config describes; from here on no checkpoint runs code (:mod:`msvit.engine.safe_load`).

    Args:
        cfg: of the run.
        whole_checkpoint: the checkpoint must fit the model tensor for tensor, as after training; False: what it lacks, such as
            the gate, keeps its initial values, and mmengine lists it.

    Raises:
        ImportError: the config wants mmdet, and it is not installed.
        FileNotFoundError: the checkpoint to begin with is not there.
        PermissionError: nothing can be written to the work dir.
    """
    require_scope(cfg.get('default_scope'))
    _require_writable(Path(cfg.work_dir))
    if cfg.get('load_from'):
        require_checkpoint(cfg.load_from)
    install_safe_loading()
    join_cpu_processes(cfg)
    _save_safely(cfg)
    runner = RUNNERS.build(cast(dict, cfg)) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.register_hook(ConsistencyHook())
    runner.register_hook(FiniteLossHook())
    if whole_checkpoint:
        runner.load_checkpoint = partial(runner.load_checkpoint, strict=True)
    return runner


def require_data(cfg: Config, *loaders: str) -> None:
    """Check that the data are there, before weights are fetched for a model that could not be trained.

    Args:
        cfg: of the run.
        loaders: ``'train_dataloader'``, ...; those that the config lacks are passed over.

    Raises:
        FileNotFoundError: the ``data_root`` of one is missing; the data set says what belongs there.
    """
    for name in loaders:
        dataset = (cfg.get(name) or {}).get('dataset') or {}
        root = dataset.get('data_root')
        if isinstance(root, str) and '://' not in root and not dataset.get('build') and not Path(root).exists():
            init_default_scope(cfg.get('default_scope', 'mmengine'))
            DATASETS.build(dataset)  # fails, with the layout that it expects
            raise FileNotFoundError(f'{name}.dataset.data_root, {root}, does not exist')


def _require_writable(work_dir: Path) -> None:
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=work_dir):
            pass
    except OSError as error:
        raise PermissionError(
            f'cannot write to the work dir {work_dir} ({error.strerror or error}): name another one, --work-dir FOLDER'
        ) from error


def _save_safely(cfg: Config) -> None:
    """Put a `SafeCheckpointHook` in the place of a plain one, which mmengine adds where there is none."""
    hooks = cfg.setdefault('default_hooks', {})
    hook = hooks.setdefault('checkpoint', {'type': 'CheckpointHook'})
    if hook and hook.get('type') == 'CheckpointHook':
        hook['type'] = 'msvit.SafeCheckpointHook'


@contextmanager
def short_errors() -> Iterator[None]:
    """End the program with the message alone where this package or a registry refuses something; other errors keep their
    traceback."""
    try:
        yield
    except Exception as error:
        message = _refusal(error)
        if message is None:
            raise
        raise SystemExit(f'error: {message}') from None


def _refusal(error: Exception) -> str | None:
    """The message of an error that a ``raise`` of this package, or mmengine's building and loading, made; else None."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'in DataLoader worker process' in text:  # torch wraps the worker's traceback into the message
        trace, _, message = text.rpartition(f'\n{type(error).__name__}: ')
        return message.strip() if 'clear_errors.py' in trace else None
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    by_purpose = (traceback.extract_tb(error.__traceback__)[-1].line or '').startswith('raise')
    return text if by_purpose and frame.f_globals.get('__name__', '').startswith(_SPEAKERS) else None
