"""Where weights lie: on the disk, in the package (``msvit://FILE``), or behind an address, downloaded once."""

import hashlib
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlparse

import torch

from ..logs import log
from .download import download
from .errors import CheckpointError

SCHEME = 'msvit://'


def local_file(path: str) -> Path:
    """Find the file behind a path, a ``msvit://`` name or an http(s) address.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the package ships no such file, or the download failed.
    """
    if path.startswith(SCHEME):
        return _packaged(path)
    file = _downloaded(path) if path.startswith(('http://', 'https://')) else Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f'checkpoint {file} not found' + (': it is a folder' if file.is_dir() else ''))
    return file


def cache_folder() -> Path:
    """Tell where downloads are kept: in the torch hub's cache."""
    return Path(torch.hub.get_dir()) / 'checkpoints'


def _packaged(name: str) -> Path:
    folder = Path(str(files('msvit') / 'weights'))
    file = folder / name.removeprefix(SCHEME)
    if not file.is_file():
        shipped = ', '.join(f'{SCHEME}{path.name}' for path in sorted(folder.glob('*.safetensors'))) or 'none'
        raise CheckpointError(f'msvit ships no weights called {name}; it has: {shipped}')
    return file


def _downloaded(url: str) -> Path:
    # The digest keeps apart the many files of the world that are called checkpoint.pth.
    file = cache_folder() / f'{hashlib.sha256(url.encode()).hexdigest()[:8]}-{Path(urlparse(url).path).name}'
    if not file.is_file():
        log(f'Downloading {url} to {file}')
        download(url, file)
    return file
