"""Checkpoints are data: loading one never runs code that it carries.

mmengine falls back to unpickling anything when the safe way fails. :func:`install_safe_loading` replaces its loaders through
mmengine's own ``CheckpointLoader.register_scheme``, so ``--resume``, ``load_from`` and every ``init_cfg`` are covered.
"""

import pickle
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.infer import BaseInferencer
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from msvit.checkpoints import CheckpointError
from msvit.checkpoints.files import SCHEME, local_file
from msvit.checkpoints.io import read_file
from msvit.compat import multiarray

_MARK = 'requires_config'
_STATISTICS = ('min', 'max', 'current', 'mean')
_REFUSED_SCHEMES = (
    'pavi://',
    r'(\S+\:)?s3://',
    r'(\S+\:)?petrel://',
    'modelzoo://',
    'torchvision://',
    'open-mmlab://',
    'openmmlab://',
    'mmcls://',
)


def _statistic_of_history(owner: type, name: str) -> Any:
    """Stand in for ``getattr``, by which a pickled HistoryBuffer names its four statistics."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(owner, name)


def _allowed_globals() -> list:
    """Return what the message hub and the metrics of a run of mmengine consist of, beside tensors and plain values."""
    functions = {'_reconstruct': multiarray._reconstruct, 'scalar': multiarray.scalar}
    dtypes = {type(np.dtype(kind)) for kind in '?bhilqBHILQefdU'}
    return [
        HistoryBuffer,
        (_statistic_of_history, 'builtins.getattr'),
        slice,
        np.ndarray,
        np.dtype,
        *dtypes,
        # numpy 1 and 2 write different module names for the same two functions.
        *((function, f'numpy.{core}.multiarray.{name}') for name, function in functions.items() for core in ('core', '_core')),
    ]


def load_checkpoint_file(path: str | Path, map_location: Any = None) -> Any:
    """Load a checkpoint of a training run, or plain weights, without running code.

    Args:
        path: a ``.pth``/``.pt`` file as torch writes it, or a ``.safetensors`` file.
        map_location: as in :func:`torch.load`.

    Returns:
        What the file holds, a dict, without what mmengine would run; bare tensors by name become its ``state_dict``, beside an
        empty ``meta``.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, is no checkpoint, or holds objects other than tensors and plain values.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'There is no checkpoint {path}.')
    checkpoint = read_file(path, _allowed_globals(), map_location)
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f'{path} holds a {type(checkpoint).__name__}, not the dict of a checkpoint.')
    bare = all(isinstance(value, torch.Tensor) for value in checkpoint.values())
    return {'state_dict': checkpoint, 'meta': {}} if bare else _without_programs(checkpoint)


def _without_programs(checkpoint: dict) -> dict:
    """Forget the config that mmengine's ``Runner.resume`` would evaluate: a config is a program."""
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)
    return checkpoint


def load_named_checkpoint(name: str, map_location: Any = None) -> Any:
    """Load a checkpoint behind an address, downloaded once per machine, or one that ships with the package.

    Args:
        name: an ``http(s)://`` address or a ``msvit://FILE`` name.
        map_location: as in :func:`torch.load`.

    Returns:
        What :func:`load_checkpoint_file` returns.

    Raises:
        CheckpointError: as in :func:`load_checkpoint_file`, or the download failed, or the package has no such file.
    """
    if get_local_rank() == 0:
        local_file(name)
    barrier()
    return load_checkpoint_file(local_file(name), map_location)


def _load_refused_scheme(name: str, map_location: Any = None) -> None:
    raise ValueError(f'{name} is not supported here: download the checkpoint and give its path, or give its https:// address.')


def _requiring_config(init_model: Callable) -> Callable:
    """Wrap ``BaseInferencer._init_model``, which evaluates the config that a checkpoint carries where it is given none."""

    @wraps(init_model)
    def init_given_model(self: BaseInferencer, cfg: Any, weights: str | None, *args: Any, **kwargs: Any) -> Any:
        if not cfg:
            kind = type(self).__name__
            raise CheckpointError(
                f'{kind} got no config, and that in {weights} is a program of whoever wrote the file, which is not run: '
                f'give a config that you trust, {kind}("CONFIG.py", weights={str(weights)!r}). Trainings leave theirs in the '
                'work dir.'
            )
        return init_model(self, cfg, weights, *args, **kwargs)

    setattr(init_given_model, _MARK, True)
    return init_given_model


def install_safe_loading() -> None:
    """Make every checkpoint that mmengine loads in this process go through :func:`load_checkpoint_file`, and its inferencers
    refuse to take their config out of one."""
    CheckpointLoader.register_scheme('', load_checkpoint_file, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://', SCHEME), load_named_checkpoint, force=True)
    CheckpointLoader.register_scheme(_REFUSED_SCHEMES, _load_refused_scheme, force=True)
    if not hasattr(BaseInferencer._init_model, _MARK):
        BaseInferencer._init_model = _requiring_config(BaseInferencer._init_model)
