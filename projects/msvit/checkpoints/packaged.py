"""Weights that ship with the package, named ``msvit://FILE``."""

from importlib.resources import files
from pathlib import Path

from .errors import CheckpointError

SCHEME = 'msvit://'


def packaged_file(name: str) -> Path:
    """Find the file behind a ``msvit://FILE`` name.

    Raises:
        CheckpointError: the package ships no such file; the message lists those it has.
    """
    folder = Path(str(files('msvit') / 'weights'))
    file = folder / name.removeprefix(SCHEME)
    if not file.is_file():
        shipped = ', '.join(f'{SCHEME}{path.name}' for path in sorted(folder.glob('*.safetensors'))) or 'none'
        raise CheckpointError(f'msvit ships no weights called {name}; it has: {shipped}')
    return file
