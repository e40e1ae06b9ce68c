"""Files that are there whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STUMPS = '*.[0-9]*.partial'


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Let a file appear, or replace an older one, only when it is complete and on disk.

    Args:
        path: of the file; its folder is there.

    Yields:
        Where to write it. A kill meanwhile leaves a stump for `remove_stumps`, and the older file as it was.
    """
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    try:
        yield partial
        _flush(partial, os.O_RDWR)
        partial.replace(path)
        if os.name == 'posix':  # elsewhere folders cannot be opened
            _flush(path.parent, os.O_RDONLY)
    finally:
        partial.unlink(missing_ok=True)


def remove_stumps(folder: Path) -> None:
    """Remove what kills left half-written in a folder that no other process writes to."""
    for stump in folder.glob(_STUMPS):
        stump.unlink(missing_ok=True)


def _flush(path: Path, mode: int) -> None:
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
