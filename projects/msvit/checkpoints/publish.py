"""A trained model as a file for others: weights alone, what they are of, and a name that tells its contents."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..version import __version__
from .finite import check_finite, halved
from .io import read_checkpoint, read_dataset_meta
from .save import save_weights, unshared

SUFFIXES = ('.safetensors', '.pth')


def publish_weights(
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    *,
    config: str = '',
    half: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the weights of a training checkpoint for others, without optimizer, schedulers and logs.

    Averaged weights go before raw ones, see `read_checkpoint`. Beside them stand the version of msvit, the name of the config
    and the data set's ``dataset_meta`` (classes, palette): as texts in the header of a safetensors file, the last one JSON, or
    in the dict ``meta`` of a torch file, which holds nothing but tensors and plain values.

    Args:
        checkpoint: as `read_checkpoint` takes it; none of its code runs.
        out: ``FOLDER/NAME.safetensors`` or ``FOLDER/NAME.pth``; the folder is made.
        config: name of the config.
        half: store floating-point tensors in half precision.
        overwrite: replace a file of the same name.

    Returns:
        The path written, ``FOLDER/NAME-HASH.safetensors`` with the first 8 hexadecimal digits of the file's SHA-256, as
        OpenMMLab names its files. The same weights give the same file.

    Raises:
        ValueError: another suffix.
        FileNotFoundError: no such checkpoint.
        FileExistsError: there is a file of this name.
        OSError: it cannot be written, as on a full disk.
        CheckpointError: the checkpoint cannot be read, or holds weights that are not finite.
    """
    out = Path(out)
    if out.suffix not in SUFFIXES:
        raise ValueError(f'{out.name} must end in {" or ".join(SUFFIXES)}')
    state = read_checkpoint(checkpoint)
    check_finite(state, str(checkpoint))
    if half:
        state = halved(state)
    meta = {'msvit_version': __version__}
    if config:
        meta['config'] = config
    if dataset_meta := _plain(read_dataset_meta(checkpoint)):
        meta['dataset_meta'] = dataset_meta
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix='.publish-') as folder:
        file = Path(folder) / f'weights{out.suffix}'
        try:
            (_write_safetensors if out.suffix == '.safetensors' else _write_torch)(state, meta, file)
        except (OSError, RuntimeError) as error:  # torch's writer says it in its own way
            raise OSError(f'cannot write {out}, nothing is left of it: {error}') from error
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        final = out.with_name(f'{out.stem}-{digest[:8]}{out.suffix}')
        if final.exists() and not overwrite:
            raise FileExistsError(f'{final} exists: choose another name, or overwrite it')
        file.replace(final)
    return final


def _plain(value: Any) -> Any:
    """Tell what JSON can hold of a value; other entries of dicts are left out."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items() if isinstance(name, str) and _is_plain(entry)}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, dict | str | int | float)


def _write_safetensors(state: dict[str, Tensor], meta: dict[str, Any], file: Path) -> None:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in meta.items()}
    content = save_weights(state, file.with_name('unsorted.safetensors'), metadata=texts).read_bytes()
    # safetensors writes its header in an order that changes from run to run; the hash must not
    start = 8 + int.from_bytes(content[:8], 'little')
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(',', ':')).encode()
    header = header.ljust(-(-len(header) // 8) * 8)  # tensors are aligned
    file.write_bytes(len(header).to_bytes(8, 'little') + header + content[start:])


def _write_torch(state: dict[str, Tensor], meta: dict[str, Any], file: Path) -> None:
    with file.open('wb') as stream:  # a path would stand in the file
        torch.save({'meta': meta, 'state_dict': unshared(state)}, stream)
