"""Files that claim to hold far more than they do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor

from .errors import CheckpointError

_SPARE = 2**30  # bytes; a tensor that repeats itself may take so much more in memory than in its file


def check_unpacked(file: Path) -> None:
    """Raise CheckpointError where a zip file would take more memory than the file is large: torch compresses nothing."""
    try:
        with ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except BadZipFile:
        return
    size = file.stat().st_size
    if unpacked > size:
        raise CheckpointError(
            f'{file} ({size} bytes) would unpack to {unpacked} bytes: it is compressed, as no checkpoint of torch is, and is '
            'refused. Save it anew with torch.save, or as safetensors'
        )


def check_shapes(content: Any, file: Path) -> None:
    """Raise CheckpointError where a tensor in nested dicts, lists and tuples is far larger than what the file holds of it."""
    for name, value in _tensors(content, ''):
        size = value.numel() * value.element_size()
        held = value.untyped_storage().nbytes() if value.layout == torch.strided else size
        if size > held + _SPARE:
            raise CheckpointError(
                f'{name} in {file} has the shape {tuple(value.shape)}, {size} bytes, of which the file holds {held}: '
                'these are no weights, and the file is refused'
            )


def _tensors(content: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, dict | list | tuple):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _tensors(value, f'{name}.{key}'.lstrip('.'))
