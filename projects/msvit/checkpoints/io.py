"""Read weights without running code that a file may carry; write them so that they come back bit for bit."""

import hashlib
import json
import os
import pickle
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from timm.models import clean_state_dict
from torch import Tensor, nn

from ..atomic_write import atomic_write
from ..logs import log
from .download import download
from .errors import CheckpointError
from .packaged import SCHEME, packaged_file
from .unpacked import check_shapes, check_unpacked

CONTAINERS = ('state_dict_ema', 'model_ema', 'state_dict', 'model', 'teacher')
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
    'argparse.Namespace',
    'builtins.getattr',
    'mmengine.logging.history_buffer.HistoryBuffer',
    'pathlib.PosixPath',
    'pathlib.WindowsPath',
    'pathlib._local.PosixPath',
    'pathlib._local.WindowsPath',
    'numpy.dtype',
    'numpy.ndarray',
    *(f'numpy.{core}.multiarray.{name}' for core in ('core', '_core') for name in ('_reconstruct', 'scalar')),
    *(f'numpy.dtypes.{name}' for name in np.dtypes.__all__),
)


def read_checkpoint(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint; no code of the file is ever run.

    The kind of file (safetensors or torch) is told from its contents. Of a training checkpoint the first of
    ``state_dict_ema``, ``model_ema``, ``state_dict``, ``model``, ``teacher`` that holds tensors is taken: averaged weights
    before raw ones, as they are the ones that are evaluated (mmengine's EMAHook puts them into ``state_dict`` itself).
    ``module.`` and ``_orig_mod.``, left by DDP and ``torch.compile``, are stripped where every name has them.

    Args:
        path: File, ``msvit://FILE`` for weights that ship with the package, or http(s) address, which is downloaded once into
            the torch hub's cache.

    Returns:
        Tensors on the CPU by name, in the precision of the file.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Download failed; corrupt, truncated or foreign file; pickled code; no tensors inside.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f'a checkpoint is named by a path or an address, got {type(path).__name__}')
    file = local_file(str(path))
    return _strip_wrappers(_unwrap(_read(file), file))


def read_dataset_meta(path: str | os.PathLike) -> dict[str, Any]:
    """Tell what a training checkpoint of mmengine, or a published file, says of its data set.

    Args:
        path: as `read_checkpoint` takes it.

    Returns:
        E.g. ``classes`` and ``palette``; nothing of other files.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: as `read_checkpoint`.
    """
    if text := read_metadata(path).get('dataset_meta'):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise CheckpointError(f'the metadata of {path} makes no sense: {error}') from error
    content = _read(local_file(str(path)))
    meta = content.get('meta') if isinstance(content, dict) else None
    meta = meta.get('dataset_meta') if isinstance(meta, dict) else None
    return meta if isinstance(meta, dict) else {}


def local_file(path: str) -> Path:
    """Find the file behind a path, a ``msvit://`` name or an http(s) address; raises as `read_checkpoint` does."""
    if path.startswith(SCHEME):
        return packaged_file(path)
    file = _download(path) if path.startswith(('http://', 'https://')) else Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f'checkpoint {file} not found' + (': it is a folder' if file.is_dir() else ''))
    return file


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """Tell what a safetensors file says about its tensors.

    Args:
        path: as `read_checkpoint` takes it.

    Returns:
        Texts by name; none of a torch file.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Download failed.
    """
    try:
        with safetensors.safe_open(local_file(str(path)), framework='pt') as file:
            return file.metadata() or {}
    except SafetensorError:
        return {}


def save_weights(
    model_or_state: nn.Module | dict[str, Tensor],
    path: str | os.PathLike,
    *,
    arch: str = '',
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write weights as a safetensors file that reads back exactly.

    The file appears under its name only when it is complete.

    Args:
        model_or_state: Module, or its tensors by name; any precision, any device.
        path: File to write; its folder is made. Must end in ``.safetensors``.
        arch: Name of the architecture, kept in the file's metadata beside ``origin: msvit``.
        metadata: More of that kind, texts by name.

    Returns:
        The path written.

    Raises:
        ValueError: another suffix, no tensors, or others than tensors.
        OSError: it cannot be written, as on a full disk.
    """
    path = Path(path)
    if path.suffix != '.safetensors':
        raise ValueError(
            f'weights are written as safetensors: name the file {path.with_suffix(".safetensors").name}, not {path.name}'
        )
    state = model_or_state.state_dict() if isinstance(model_or_state, nn.Module) else model_or_state
    wrong = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if wrong or not state:
        raise ValueError(f'only tensors can be saved, got others under: {wrong}' if wrong else 'there are no weights to save')
    # Clones, because safetensors refuses tensors that share memory (tied weights).
    tensors = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {'format': 'pt', 'origin': 'msvit', 'arch': arch, **(metadata or {})}
    try:
        with atomic_write(path) as partial:
            safetensors.torch.save_file(tensors, partial, metadata=about)
    except (SafetensorError, OSError) as error:
        raise OSError(f'cannot write {path}, nothing is left of it: {error}') from error
    return path


def _download(url: str) -> Path:
    # The digest keeps apart the many files of the world that are called checkpoint.pth.
    name = f'{hashlib.sha256(url.encode()).hexdigest()[:8]}-{Path(urlparse(url).path).name}'
    file = _cache() / name
    if not file.is_file():
        log(f'Downloading {url} to {file}')
        download(url, file)
    return file


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / 'checkpoints'


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
    except pickle.UnpicklingError as error:
        refused = re.search(r'GLOBAL (\S+) (?:was not|whose module)|unrecognized (function)|(getattr)\(', str(error))
        if refused:
            what = next(filter(None, refused.groups()))
            raise CheckpointError(
                f'{file} holds a pickled {what}; unpickling it could run code, so it is refused. '
                'Save only the state_dict (tensors by name) where the file comes from'
            ) from error
        raise _unreadable(file, error) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise _unreadable(file, error) from error


def _read(file: Path) -> object:
    return read_file(file, [(_Unread, name) for name in _TRAINING_STATE])


def _unreadable(file: Path, error: Exception) -> CheckpointError:
    # torch puts advice to load unsafely in front of the reason
    reason = str(error).rpartition('WeightsUnpickler error: ')[2].strip().splitlines() or [type(error).__name__]
    advice = '; delete it, and it is downloaded anew' if file.parent == _cache() else ''
    return CheckpointError(
        f'{file} ({file.stat().st_size} bytes) is corrupt, truncated, or no checkpoint: {reason[0]}{advice}'
    )


def _unwrap(content: object, file: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise CheckpointError(f'{file} holds a {type(content).__name__}, not tensors by name')
    for name in CONTAINERS:
        tensors = _tensors(content.get(name))
        if tensors:
            log(f'{file}: weights taken from its entry {name!r}')
            return tensors
    tensors = _tensors(content)
    if not tensors:
        raise CheckpointError(
            f'{file} holds no tensors by name; its entries: {", ".join(map(str, list(content)[:10])) or "none"}'
        )
    return tensors


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _strip_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    wrapped = all(name.startswith(('module.', '_orig_mod.')) for name in state)
    return clean_state_dict(state) if wrapped else state
