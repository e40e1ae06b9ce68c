"""One table and one JSON of what the GPU script found."""

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """How a step ended.

    Args:
        name: of the step.
        status: ``'ok'``, or what went wrong.
        seconds: that it took.
        gpu_use: mean utilisation of the GPU in percent, None without one.
        last_line: of what it printed.
    """

    name: str
    status: str
    seconds: float = 0.0
    gpu_use: float | None = None
    last_line: str = ''


def find_facts(root: Path, rehearsal: bool, paths: Sequence[Path] = ()) -> dict[str, Any]:
    """What all figures belong to: card, driver, versions and commit.

    Args:
        root: of the project.
        rehearsal: whether all ran in small.
        paths: folders of packages beside those of this environment.
    """
    card, driver, memory = (_ask_the_card() + ['none'] * 3)[:3]
    versions = {name: _version(name, paths) for name in ('torch', 'timm', 'onedl-mmengine', 'onedl-mmsegmentation')}
    return dict(
        rehearsal=rehearsal,
        card=card,
        memory=memory,
        driver=driver,
        python=platform.python_version(),
        **versions,
        commit=_commit(root),
    )


def write_summary(out: Path, facts: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write summary.json and summary.md: the outcome of each step, and the figures that it wrote to <name>.json."""
    figures = {outcome.name: _read(out / f'{outcome.name}.json') for outcome in outcomes}
    whole = dict(facts=facts, steps=[outcome._asdict() for outcome in outcomes], figures=figures)
    (out / 'summary.json').write_text(json.dumps(whole, indent=1) + '\n', encoding='utf-8')
    (out / 'summary.md').write_text('\n'.join(_markdown(whole)) + '\n', encoding='utf-8')


def print_summary(out: Path) -> None:
    """Print the table."""
    print((out / 'summary.md').read_text(encoding='utf-8'), f'\nEverything: {out}', sep='', flush=True)


def _markdown(whole: dict[str, Any]) -> Iterator[str]:
    yield ', '.join(f'{name} {value}' for name, value in whole['facts'].items())
    yield ''
    busy = [('' if step['gpu_use'] is None else f'{step["gpu_use"]:.0f} %') for step in whole['steps']]
    rows = [
        (step['name'], step['status'], f'{step["seconds"]:.0f}', use, step['last_line'][:80])
        for step, use in zip(whole['steps'], busy, strict=True)
    ]
    yield from markdown_table(('step', 'status', 'seconds', 'GPU busy', 'last line'), rows)
    for figures in filter(None, whole['figures'].values()):
        yield ''
        yield from markdown_table(*(_speed(figures['rows']) if 'rows' in figures else _trainings(figures['runs'])))


def _speed(rows: Sequence[dict[str, Any]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    head = ('what', 'against', 'times faster', 'asked', 'images/s', 'peak MiB', 'note')
    return head, [
        (
            row['name'],
            row['baseline'],
            f'{row["speedup"]:.2f}',
            '' if row['asked'] is None else f'{row["asked"]:.2f}',
            ' : '.join(f'{rate:.0f}' for rate in row['images_per_second'] or ()),
            ' : '.join(f'{size / 2**20:.0f}' for size in row['peak_bytes'] or ()),
            row['note'],
        )
        for row in rows
    ]


def _trainings(runs: Sequence[dict[str, Any]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    head = ('training', 'seed', 'mIoU', 'tokens', 'GMACs', 'iterations', 'seconds', 'not waiting for data', 'note')
    return head, [
        (
            run['config'],
            str(run['seed']),
            *(_metric(run, name) for name in ('mIoU', 'tokens/count_mean', 'tokens/gmacs_mean')),
            str(run.get('iterations', '')),
            f'{run["train_seconds"]:.0f}' if 'train_seconds' in run else '',
            f'{run["busy"]:.0%}' if run.get('busy') is not None else '',
            run.get('error', ''),
        )
        for run in runs
    ]


def _metric(run: dict[str, Any], name: str) -> str:
    value = run.get('metrics', {}).get(name)
    return '' if value is None else f'{value:.2f}'


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    for row in (head, ['---'] * len(head), *rows):
        yield '| ' + ' | '.join(cell.replace('|', '/') for cell in row) + ' |'


def _ask_the_card() -> list[str]:
    """Name, driver and memory of the first GPU; nothing without one."""
    if not shutil.which('nvidia-smi'):
        return []
    query = ['nvidia-smi', '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']
    lines = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    return [part.strip() for part in lines[0].split(',')] if lines else []


def _version(name: str, paths: Sequence[Path]) -> str:
    found = importlib.metadata.distributions(name=name, path=[*map(str, paths), *sys.path])
    return next((distribution.version for distribution in found), 'none')


def _commit(root: Path) -> str:
    """The commit of a clone, and the one that pack.py noted, if that is another: a copied clone may lag behind its files."""
    found = []
    if shutil.which('git'):
        git = subprocess.run(['git', '-C', root, 'rev-parse', 'HEAD'], capture_output=True, text=True)
        found += git.stdout.split() if git.returncode == 0 else []
    noted = root / 'packed' / 'commit.txt'
    found += noted.read_text(encoding='utf-8').split() if noted.is_file() else []
    return ', packed at '.join(dict.fromkeys(found)) or 'unknown'


def _read(path: Path) -> Any:
    """Figures of a step; None where there are none, or none that are whole."""
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
