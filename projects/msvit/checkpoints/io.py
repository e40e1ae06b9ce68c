"""Read weights without running code that a file may carry."""

import json
import os
import pickle
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from timm.models import clean_state_dict
from torch import Tensor

from ..logs import log
from .errors import CheckpointError
from .files import cache_folder, local_file
from .unpacked import check_shapes, check_unpacked

CONTAINERS = ('state_dict_ema', 'model_ema', 'state_dict', 'model', 'teacher')
_UNREADABLE = (
    *(pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError),
    *(ValueError, LookupError, AttributeError, TypeError),
)
_ALLOWING = threading.Lock()  # torch's list of what a pickle may name is one for the whole process


class _Unread:
    """Stands in for the training state beside the weights (log buffers, arguments): takes anything, keeps nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


# What mmengine, DeiT and Segmenter pickle beside the weights. Each name is read as an _Unread, so not even these run.
_TRAINING_STATE = (
    *('argparse.Namespace', 'builtins.getattr', 'mmengine.logging.history_buffer.HistoryBuffer'),
    *(f'pathlib{module}.{system}Path' for module in ('', '._local') for system in ('Posix', 'Windows')),
    *('numpy.dtype', 'numpy.ndarray', *(f'numpy.dtypes.{name}' for name in np.dtypes.__all__)),
    *(f'numpy.{core}.multiarray.{name}' for core in ('core', '_core') for name in ('_reconstruct', 'scalar')),
)


def read_checkpoint(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, in its precision, to the CPU; no code of the file is ever run.

    The kind of file (safetensors or torch) is told from its contents. Of a training checkpoint the first of
    ``state_dict_ema``, ``model_ema``, ``state_dict``, ``model``, ``teacher`` that holds tensors is taken: averaged weights
    before raw ones, as they are the ones that are evaluated (mmengine's EMAHook puts them into ``state_dict`` itself).
    ``module.`` and ``_orig_mod.``, left by DDP and ``torch.compile``, are stripped where every name has them.

    Args:
        path: File, ``msvit://FILE`` for weights that ship with the package, or http(s) address, which is downloaded once into
            the torch hub's cache.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Download failed; corrupt, truncated or foreign file; pickled code; no tensors inside.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f'a checkpoint is named by a path or an address, got {type(path).__name__}')
    file = local_file(str(path))
    state = _unwrap(_read(file), file)
    wrapped = all(name.startswith(('module.', '_orig_mod.')) for name in state)
    return clean_state_dict(state) if wrapped else state


def read_dataset_meta(path: str | os.PathLike) -> dict[str, Any]:
    """Tell what a training checkpoint of mmengine, or a published file, says of its data set: ``classes``, ``palette``, ...

    Path and errors are those of `read_checkpoint`; other files say nothing.
    """
    if text := read_metadata(path).get('dataset_meta'):
        with making_sense_of(path):
            return json.loads(text)
    content = _read(local_file(str(path)))
    for key in ('meta', 'dataset_meta'):
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """Tell what a safetensors file says about its tensors, texts by name; nothing of a torch file.

    Path and errors are those of `read_checkpoint`.
    """
    try:
        with safetensors.safe_open(local_file(str(path)), framework='pt') as file:
            return file.metadata() or {}
    except SafetensorError:
        return {}


@contextmanager
def making_sense_of(path: str | os.PathLike) -> Iterator[None]:
    """Raise CheckpointError in the place of the TypeError or ValueError that a file's metadata cause."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise CheckpointError(f'the metadata of {path} makes no sense: {error}') from error


def read_file(file: Path, allowed: Sequence[Any], map_location: Any = 'cpu') -> object:
    """Tell what a safetensors or torch file holds; the kind is told from its contents.

    Args:
        file: that is there.
        allowed: what a pickle in it may name beside tensors, as `torch.serialization.safe_globals` takes it.
        map_location: as in `torch.load`.

    Raises:
        CheckpointError: as in `read_checkpoint`.
    """
    with file.open('rb') as stream:
        head = stream.read(64)
    is_safetensors = head[8:9] == b'{'  # its header, after 8 bytes of length that may be any
    if head.lstrip().startswith(b'<') and not is_safetensors:
        raise CheckpointError(f'{file} is a web page, not a checkpoint: its download failed; delete it and fetch it again')
    if head.startswith(b'version https://git-lfs'):
        raise CheckpointError(f'{file} is a pointer of Git LFS, not the weights: run `git lfs pull` where it came from')
    try:
        if is_safetensors or (file.suffix == '.safetensors' and not head.startswith((b'PK', b'\x80'))):
            return safetensors.torch.load_file(file)
        check_unpacked(file)
        # A stream, because torch.load would judge a path by its suffix.
        with _ALLOWING, file.open('rb') as stream, torch.serialization.safe_globals(list(allowed)):
            content = torch.load(stream, map_location=map_location, weights_only=True)
        check_shapes(content, file)
        return content
    except CheckpointError:
        raise
    except _UNREADABLE as error:
        raise _refusal(file, error) from error


def _read(file: Path) -> object:
    return read_file(file, [(_Unread, name) for name in _TRAINING_STATE])


def _refusal(file: Path, error: Exception) -> CheckpointError:
    if isinstance(error, pickle.UnpicklingError):
        named = re.search(r'GLOBAL (\S+) (?:was not|whose module)|unrecognized (function)|(getattr)\(', str(error))
        if named:
            what = next(filter(None, named.groups()))
            return CheckpointError(
                f'{file} holds a pickled {what}; unpickling it could run code, so it is refused. '
                'Save only the state_dict (tensors by name) where the file comes from'
            )
    # torch puts advice to load unsafely in front of the reason
    reason = str(error).rpartition('WeightsUnpickler error: ')[2].strip().splitlines() or [type(error).__name__]
    advice = '; delete it, and it is downloaded anew' if file.parent == cache_folder() else ''
    return CheckpointError(
        f'{file} ({file.stat().st_size} bytes) is corrupt, truncated, or no checkpoint: {reason[0]}{advice}'
    )


def _unwrap(content: object, file: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise CheckpointError(f'{file} holds a {type(content).__name__}, not tensors by name')
    for name in CONTAINERS:
        if tensors := _tensors(content.get(name)):
            log(f'{file}: weights taken from its entry {name!r}')
            return tensors
    if tensors := _tensors(content):
        return tensors
    raise CheckpointError(f'{file} holds no tensors by name; its entries: {", ".join(map(str, list(content)[:10])) or "none"}')


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
