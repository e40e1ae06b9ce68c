"""What the points of a sweep reached: their records, their results, and the figures over seeds."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from ...atomic_write import atomic_write
from .points import Point, fingerprint

METRICS = ('accuracy/top1', 'mIoU')
GMACS, COUNT, INPUTS = 'tokens/gmacs_mean', 'tokens/count_mean', 'tokens/inputs_per_image'


class MetricError(ValueError):
    """The results have no such metric."""


def read_records(run_dir: Path) -> list[dict[str, Any]]:
    """Read what a training logged, resumed ones included, oldest first; a line cut short by a kill is left out."""
    records = []
    for file in sorted(run_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text(encoding='utf-8').splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return records


def final_validation(run_dir: Path) -> dict[str, float] | None:
    """The metrics of the validation after the last training step; None if it was never finished.

    It belongs to the last checkpoint, so both bear the same number. A training that was ended between the two has the
    checkpoint alone.
    """
    validations = [record for record in read_records(run_dir) if not _of_training(record)]
    checkpoint = last_checkpoint(run_dir)
    if not validations or checkpoint is None or checkpoint.stem.rpartition('_')[2] != str(validations[-1]['step']):
        return None
    return {name: value for name, value in validations[-1].items() if name not in ('data_time', 'time', 'step')}


def last_checkpoint(run_dir: Path) -> Path | None:
    """The checkpoint that a training would go on from, also after the folder has been moved."""
    pointer = run_dir / 'last_checkpoint'
    if not pointer.is_file():
        return None
    written = Path(pointer.read_text(encoding='utf-8').strip())
    return written if written.is_file() else run_dir / written.name


def write_result(point: Point, metrics: dict[str, float]) -> None:
    """Mark a point as finished, all at once."""
    times = [record['time'] for record in read_records(point.run_dir) if _of_training(record) and 'time' in record]
    result = dict(
        values=point.values,
        metrics=metrics,
        train_seconds_per_iter=fmean(times) if times else None,
        fingerprint=point.fingerprint,
    )
    write_text(point.result_file, json.dumps(result, indent=2) + '\n')


def read_result(point: Point) -> dict[str, Any] | None:
    """The result of a point, None while it is not finished."""
    return json.loads(point.result_file.read_text(encoding='utf-8')) if point.result_file.is_file() else None


def write_text(path: Path, text: str) -> None:
    """Write a file so that whoever reads it finds all of it or none."""
    with atomic_write(path) as part:
        part.write_text(text, encoding='utf-8')


def require_unchanged(points: Sequence[Point]) -> None:
    """Check that what is there was trained with the configs of today.

    Raises:
        ValueError: a folder holds a result or a checkpoint of another config; the message says what to do.
    """
    changed = []
    for point in points:
        trained = None
        if result := read_result(point):
            trained = result['fingerprint']
        elif last_checkpoint(point.run_dir) and point.config_file.is_file():
            trained = fingerprint(point.config_file.read_text(encoding='utf-8'))
        if trained not in (None, point.fingerprint):
            changed.append(point)
    if changed:
        folders = '\n'.join(f'  {point.folder}' for point in changed)
        raise ValueError(
            f'{len(changed)} of {len(points)} points were trained with another config than they have now:\n{folders}\n'
            'Choose another --work-dir for the new config, or delete these folders to train them anew. What is in a folder '
            'stands in its config.py.'
        )


def summarise(points: Sequence[Point], metric: str | None = None) -> tuple[pd.DataFrame, str | None]:
    """Take means over seeds.

    Args:
        points: of the sweep, finished or not.
        metric: name of a validation metric; None: the first of ``METRICS`` that there is.

    Returns:
        A row for each place on the grid, in the order of the points, and the metric's name (None if none is finished). The
        columns are ``values`` (where the place lies), ``done`` and ``planned`` (seeds), means of the ``metric``, of ``gmacs``
        of the backbone for an image, of ``tokens`` of a network input, and of ``train_seconds_per_iter``; sample standard
        deviations ``metric_std`` and ``gmacs_std``. NaN where there is no figure.

    Raises:
        MetricError: the results have no such metric.
    """
    results = [read_result(point) for point in points]
    finished = [result for result in results if result]
    if finished:
        metric = _choose_metric(finished, metric)
    rows = [_figures(point, result, metric) for point, result in zip(points, results, strict=True)]
    table = pd.DataFrame(rows, columns=['place', 'values', 'metric', 'gmacs', 'tokens', 'seconds'])
    groups = table.astype(dict.fromkeys(['metric', 'gmacs', 'tokens', 'seconds'], float)).groupby('place', sort=False)
    summary = groups.agg(
        values=('values', 'first'),
        done=('metric', 'count'),
        planned=('metric', 'size'),
        metric=('metric', 'mean'),
        metric_std=('metric', 'std'),
        gmacs=('gmacs', 'mean'),
        gmacs_std=('gmacs', 'std'),
        tokens=('tokens', 'mean'),
        train_seconds_per_iter=('seconds', 'mean'),
    )
    return summary.reset_index(drop=True), metric


def _figures(point: Point, result: dict[str, Any] | None, metric: str | None) -> dict[str, Any]:
    values = {axis: value for axis, value in point.values.items() if axis != 'seed'}
    row = dict(place=str(values), values=values)
    if result and metric:
        found = result['metrics']
        row |= dict(metric=found[metric], gmacs=found[GMACS] * found.get(INPUTS, 1), tokens=found[COUNT])
        row['seconds'] = result['train_seconds_per_iter']
    return row


def _choose_metric(results: list[dict], wanted: str | None) -> str:
    common = set.intersection(*(set(result['metrics']) for result in results))
    chosen = next((name for name in ([wanted] if wanted else METRICS) if name in common), None)
    if chosen is None:
        raise MetricError(
            f'not every result has {wanted or " or ".join(METRICS)}: choose with --metric among {", ".join(sorted(common))}'
        )
    return chosen


def _of_training(record: dict) -> bool:
    return 'lr' in record or 'loss' in record
