"""ONNX Runtime for browsers, which pages bring along: no code of another host runs in them."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE, VERSION = 'onnxruntime-web', '1.30.0'
# For browsers with WebAssembly and nothing else.
FILES = ('ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm')


def fetch_runtime(source: Path | None = None) -> Path:
    """The archive or folder of onnxruntime-web.

    Args:
        source: what ``npm pack onnxruntime-web`` or ``npm install onnxruntime-web`` fetched, the archive or the package's
            folder. None: npm fetches the archive once, and it is kept in the user's cache.

    Returns:
        The archive or the folder.

    Raises:
        FileNotFoundError: ``source`` does not hold the package; or npm is not installed, or did not reach its registry.
    """
    if source is not None:
        _check(source)
        return source
    kept = _cache() / f'{PACKAGE}-{VERSION}.tgz'
    if not kept.is_file():
        _fetch(kept)
    return kept


def copy_runtime(source: Path, folder: Path) -> None:
    """Put the files that a page needs into a folder, with a note of what they are.

    Args:
        source: of `fetch_runtime`.
        folder: is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_bytes(_read(source, f'dist/{name}'))
    (folder / 'package.json').write_bytes(_read(source, 'package.json'))  # name, version, licence and authors


def _cache() -> Path:
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'msvit'


def _fetch(kept: Path) -> None:
    by_hand = f'fetch it where there is a network, npm pack {PACKAGE}@{VERSION}, and name the file with --runtime'
    npm = shutil.which('npm')
    if npm is None:
        raise FileNotFoundError(
            f'pages need {PACKAGE}, which npm fetches, and npm is not installed: install Node.js, or {by_hand}'
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        done = subprocess.run(
            [npm, 'pack', f'{PACKAGE}@{VERSION}', '--silent'], cwd=folder, capture_output=True, text=True, check=False
        )
        packed = list(Path(folder).glob('*.tgz'))
        if done.returncode or not packed:
            reason = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
            raise FileNotFoundError(f'npm could not fetch {PACKAGE} {VERSION} ({reason}): {by_hand}')
        packed[0].replace(kept)


def _check(source: Path) -> None:
    try:
        for name in FILES:
            _read(source, f'dist/{name}')
    except (OSError, KeyError, tarfile.TarError) as error:
        raise FileNotFoundError(
            f'{source} is neither the archive of "npm pack {PACKAGE}" nor the folder of the package: {error}'
        ) from error


def _read(source: Path, name: str) -> bytes:
    """A file of the package."""
    if source.is_dir():
        return (source / name).read_bytes()
    with tarfile.open(source) as archive:
        member = archive.extractfile(f'package/{name}')
        if member is None:
            raise KeyError(f'package/{name} is no file')
        return member.read()
