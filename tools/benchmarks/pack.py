"""Pack what the GPU script needs on a machine without a network: wheels, pictures and weights, small enough to travel.

python tools/benchmarks/pack.py --data PATH/TO/PICTURES --weights PATH/TO/vit_tiny.safetensors --out packed
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name('requirements.txt')
PLATFORMS = ('manylinux_2_28_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64', 'any')
MIB = 2**20


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder with one folder for each data set')
    parser.add_argument('--weights', type=Path, required=True, help='safetensors file')
    parser.add_argument('--out', type=Path, default=Path('packed'), help='new folder (default: %(default)s)')
    parser.add_argument('--sets', nargs='+', default=['camvid', 'ccp'], help='data sets (default: camvid ccp)')
    parser.add_argument('--quality', type=int, default=70, help='of the pictures, 1 to 100 (default: %(default)s)')
    parser.add_argument('--python', default='3.12', help='version that the wheels are for (default: %(default)s)')
    parser.add_argument('--limit', type=float, default=60, help='MiB, with the tracked files (default: %(default)s)')
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args(arguments)
    sets = [args.data / name for name in args.sets]
    for path in (*sets, args.weights):
        if not path.exists():
            parser.error(f'there is no {path}')
    if args.out.exists():
        parser.error(f'{args.out} is there already: name a new folder')
    collect_wheels(REQUIREMENTS, args.out / 'wheels', args.python)
    for folder in sets:
        pack_pictures(folder, args.out / 'data' / folder.name, args.quality)
    pack_weights(args.weights, args.out / 'vit_tiny.safetensors')
    commit = subprocess.run(['git', '-C', ROOT, 'rev-parse', 'HEAD'], check=True, capture_output=True, text=True).stdout
    (args.out / 'commit.txt').write_text(commit, encoding='utf-8')
    sizes = {path.name: size_of(path) for path in sorted(args.out.iterdir())}
    sizes['tracked files'] = sum(path.stat().st_size for path in tracked_files())
    for name, size in sizes.items():
        print(f'{name:22}{size / MIB:6.1f} MiB')
    total = sum(sizes.values()) / MIB
    print(f'{"together":22}{total:6.1f} MiB')
    if total > args.limit:
        raise SystemExit(f'error: {total:.1f} MiB are more than {args.limit:g}: lower --quality, or take fewer --sets')


def collect_wheels(requirements: Path, out: Path, python: str) -> None:
    """One wheel of each package, without those that these need.

    Args:
        requirements: one package a line.
        out: folder.
        python: version that they must run on; a package without a wheel for it must be pure Python.

    Raises:
        ValueError: one is neither.
    """
    lines = (line.split('#')[0].strip() for line in requirements.read_text(encoding='utf-8').splitlines())
    target = ['--only-binary=:all:', '--python-version', python, '--implementation', 'cp']
    target += [f'--platform={platform}' for platform in PLATFORMS]
    for package in filter(None, lines):
        if _pip('download', *target, '--dest', out, package):
            continue
        with tempfile.TemporaryDirectory() as built:
            if not _pip('wheel', '--wheel-dir', built, package):
                raise ValueError(f'pip finds no wheel of {package} for Python {python}, and cannot build one')
            (wheel,) = Path(built).glob('*.whl')
            if not wheel.name.endswith('-none-any.whl'):
                raise ValueError(
                    f'{package} has no wheel for Python {python}, and what is built here, {wheel.name}, is not for it'
                )
            shutil.copy(wheel, out)


def pack_pictures(folder: Path, out: Path, quality: int) -> None:
    """Copy a data set: JPEG pictures as WebP, which is a third smaller at the same quality, the labels as they are."""
    for path in (path for path in sorted(folder.rglob('*')) if path.suffix in ('.jpg', '.png')):
        target = out / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            if path.suffix == '.jpg':
                picture.save(target.with_suffix('.webp'), quality=quality)
            else:
                picture.save(target, optimize=True)


def pack_weights(path: Path, out: Path) -> None:
    """Copy weights in half precision."""
    save_file({name: value.to(torch.float16) for name, value in load_file(path).items()}, out)


def tracked_files() -> Iterator[Path]:
    """The files of the project that git tracks."""
    names = subprocess.run(['git', '-C', ROOT, 'ls-files', '-z'], check=True, capture_output=True, text=True).stdout
    return (ROOT / name for name in names.split('\0') if name and (ROOT / name).is_file())


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob('*')) if file.is_file())


def _pip(verb: str, *arguments: str | Path) -> bool:
    """Whether pip succeeds."""
    command = [sys.executable, '-m', 'pip', verb, '--quiet', '--no-deps', *arguments]
    return subprocess.run(command, capture_output=True).returncode == 0


if __name__ == '__main__':
    main()
