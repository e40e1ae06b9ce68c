"""Run the steps of steps.py in order of worth, and sum up what they found.

bash tools/benchmarks/gpu.sh --out work_dirs/gpu --wheels packed/wheels --data packed/data \\
  --weights packed/vit_tiny.safetensors
"""

import argparse
import importlib.metadata
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gpu_use import GpuUse
from steps import STEPS, Step
from summary import Outcome, find_facts, print_summary, write_summary

ROOT = Path(__file__).resolve().parents[2]
LEAST_SECONDS = 10  # a step that would have less is not begun
PATIENCE = 3  # how many times its limit a step may take in a rehearsal: CPUs are busy with other things


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this tool."""
    parser = argparse.ArgumentParser('gpu.sh', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, help='folder of the results (default in a rehearsal: a temporary one)')
    parser.add_argument('--rehearse', action='store_true', help='run the small form of every step, on a CPU')
    parser.add_argument('--steps', nargs='+', choices=[step.name for step in STEPS], help='run these alone')
    parser.add_argument('--seconds', type=float, help='for all steps together (default: 580; in a rehearsal 1740)')
    packed = parser.add_argument_group('what pack.py packs')
    packed.add_argument('--wheels', type=Path, help='folder of wheels; those that are not installed are put beside it')
    packed.add_argument('--data', type=Path, help='folder with camvid/ and ccp/')
    packed.add_argument('--weights', type=Path, help="weights of ViT-Ti/16, timm's names")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the status is 0 if every step succeeded."""
    parser = make_parser()
    args = parser.parse_args(arguments)
    if not (args.out or args.rehearse):
        parser.error('name a folder with --out, or give --rehearse')
    for path in (args.wheels, args.data, args.weights):
        if path and not path.exists():
            parser.error(f'there is no {path}')
    if not args.rehearse and not (args.data and args.weights):
        print('Trainings need --data and --weights, and will fail without them: see docs/benchmarks.md.', flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was found is summed up
    scratch = Path(tempfile.mkdtemp(prefix='msvit_gpu_'))
    out = (args.out or scratch / 'out').resolve()
    out.mkdir(parents=True, exist_ok=True)
    paths = [ROOT / 'projects']
    if args.wheels:
        paths.append(install_missing(sorted(args.wheels.glob('*.whl')), scratch / 'site'))
    places = dict(python=sys.executable, out=out, scratch=scratch, data=args.data or 'none', weights=args.weights or 'none')
    steps = [step for step in STEPS if not args.steps or step.name in args.steps]
    seconds = args.seconds or 580 * (PATIENCE if args.rehearse else 1)
    outcomes = run_steps(steps, {name: str(place) for name, place in places.items()}, args.rehearse, seconds, paths)
    print_summary(out)
    return 0 if all(outcome.status == 'ok' for outcome in outcomes) else 1


def install_missing(wheels: Sequence[Path], site: Path) -> Path:
    """Install the wheels whose packages are not there, without asking any network.

    Args:
        wheels: one of each package; their dependencies are not looked for.
        site: a folder of its own, which leaves the environment as it is.

    Returns:
        ``site``.

    Raises:
        CalledProcessError: pip refuses one.
    """
    missing = [wheel for wheel in wheels if not _is_installed(wheel.name.split('-')[0])]
    site.mkdir(parents=True, exist_ok=True)
    if missing:
        pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps', '--no-compile', '--no-cache-dir']
        subprocess.run([*pip, '--target', site, *missing], check=True)
    return site


def run_steps(
    steps: Sequence[Step], places: dict[str, str], rehearse: bool, seconds: float, paths: Sequence[Path] = ()
) -> list[Outcome]:
    """Run steps by descending worth, also behind one that fails; the summary is up to date after each.

    Args:
        steps: in any order.
        places: what fills the braces of their commands.
        rehearse: run their small forms.
        seconds: for all together.
        paths: folders of Python packages.
    """
    out, end = Path(places['out']), time.monotonic() + seconds
    environ = {'OMP_NUM_THREADS': '1', **os.environ, 'PYTHONUNBUFFERED': '1'}
    environ['PYTHONPATH'] = os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get('PYTHONPATH')])])
    facts, outcomes = find_facts(ROOT, rehearse, paths), []
    for step in sorted(steps, key=lambda step: -step.worth):
        command = shlex.split((step.small if rehearse else step.command).format(**places))
        outcomes.append(Outcome(step.name, 'interrupted'))
        try:
            left = min(step.seconds * (PATIENCE if rehearse else 1), end - time.monotonic())
            outcomes[-1] = _run(step.name, command, left, out / 'log.txt', environ)
        finally:
            write_summary(out, facts, outcomes)
        print(f'{step.name}: {outcomes[-1].status}, {outcomes[-1].seconds:.0f} s', flush=True)
    return outcomes


def _run(name: str, command: Sequence[str], seconds: float, log: Path, environ: dict[str, str]) -> Outcome:
    """Run one step, its output in the log."""
    if seconds < LEAST_SECONDS:
        return Outcome(name, 'no time was left')
    start = time.monotonic()
    with log.open('a', encoding='utf-8') as file, GpuUse() as use:
        file.write(f'\n== {name}: {shlex.join(command)}\n')
        file.flush()
        begin = file.tell()
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environ, start_new_session=True
        )
        try:
            code = process.wait(seconds)
            status = 'ok' if code == 0 else f'failed ({code})'
        except subprocess.TimeoutExpired:
            status = f'stopped after {seconds:.0f} s'
        finally:
            _end(process)
    said = log.read_bytes()[begin:].decode(errors='replace').split('\n')
    last = next((line.strip() for line in reversed(said) if any(map(str.isalnum, line))), '')
    return Outcome(name, status, time.monotonic() - start, use.mean, last)


def _end(process: subprocess.Popen) -> None:
    """End a step and all processes that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _is_installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


if __name__ == '__main__':
    sys.exit(main())
