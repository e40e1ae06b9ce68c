"""Weights behind an address."""

import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from tqdm import tqdm

from ..atomic_write import atomic_write
from .errors import CheckpointError


def download(url: str, file: Path) -> None:
    """Fetch a file; it appears, in a folder that is made, only when all of it has come: torch's hub does not look at that.

    Raises:
        CheckpointError: no connection, no such file there, or the connection ended early.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_write(file) as partial:
            _fetch(url, partial)
    except (OSError, HTTPException, ValueError) as error:
        raise CheckpointError(f'cannot download {url} ({error}): fetch the file by other means and give its path') from error


def _fetch(url: str, file: Path) -> None:
    with urlopen(Request(url, headers={'User-Agent': 'msvit'})) as answer, file.open('wb') as written:
        promised = answer.headers.get('Content-Length')
        total = None if promised is None else int(promised)
        with tqdm.wrapattr(answer, 'read', total=total, desc=file.name.split('-', 1)[-1]) as stream:
            shutil.copyfileobj(stream, written)
        got = written.tell()
    if total is not None and got != total:
        raise OSError(f'the connection ended after {got} of {total} bytes')
