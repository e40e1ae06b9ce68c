"""Sweep gate targets g*, gate-loss weights lambda, input sizes and seeds from one config; draw accuracy against MACs.

  msvit sweep CONFIG --target 0.5 0.25 0.1 --weight 1 4 20 --dense DENSE_CONFIG --work-dir DIR
  msvit sweep ... --draw-only                      the same grid: draw what is finished, train nothing

An axis left out takes what the config says. Every point trains in a folder of its own in the work dir, named after its
values, which holds its config, log, checkpoints and, once finished, result.json. The same command again goes on where it was
interrupted, and with a longer grid where it ended; what is finished is not trained twice. DIR/sweep.png is drawn anew after
each point.
"""

import argparse
from pathlib import Path

import pandas as pd
from mmengine.config import DictAction
from tqdm import tqdm

from ...analysis.sweep.drawing import draw
from ...analysis.sweep.points import Point, make_points
from ...analysis.sweep.results import read_result, require_unchanged, summarise
from ...analysis.sweep.training import Outcome, train_points
from ...analysis.table import records
from ...engine.launch import read_config
from ..arguments import file_of, positive
from ..output import say, show_rows, write_json

TOOLS = Path(__file__).resolve().parents[4] / 'tools'  # of the clone that the package is installed from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config of the mixed-scale model')
    parser.add_argument(
        '--work-dir', type=Path, help='folder for the points and sweep.png (default: work_dirs/<name of the config>_sweep)'
    )
    parser.add_argument(
        '--target', nargs='+', type=float, metavar='G', help='gate targets g*: model.backbone.gate_loss.target'
    )
    parser.add_argument(
        '--weight', nargs='+', type=float, metavar='LAMBDA', help='gate-loss weights: model.backbone.gate_loss.weight'
    )
    parser.add_argument(
        '--img-size',
        nargs='+',
        type=int,
        metavar='PIXELS',
        help='sides of square inputs, from backbone to pipelines; the pipelines of the config must resize or crop',
    )
    parser.add_argument('--seed', nargs='+', type=int, help='seeds: randomness.seed')
    parser.add_argument(
        '--variant',
        nargs='+',
        action='append',
        default=[],
        metavar=('NAME', 'KEY=VALUE'),
        help='one more axis, repeatable: a name, and the settings that it replaces in the config (none: the config as it is)',
    )
    parser.add_argument(
        '--dense', nargs='+', default=[], metavar='CONFIG', help='configs of dense baselines, for each input size and seed'
    )
    parser.add_argument(
        '--jobs', type=positive, default=1, help='trainings at a time, each on its GPU where there are several'
    )
    parser.add_argument('--draw-only', action='store_true', help='train nothing')
    parser.add_argument('--metric', help='validation metric to draw (default: accuracy/top1 or mIoU)')
    parser.add_argument('--out', type=file_of('.json'), metavar='FILE.json', help='write the figures to this file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of all configs, dense ones included',
    )


def plan(args: argparse.Namespace) -> list[Point]:
    """The points that the command line asks for.

    Raises:
        FileNotFoundError: a config is not there.
        ValueError: the configs do not fit the grid, or two share a name.
    """
    dense = {Path(path).stem: read_config(path, args.cfg_options) for path in args.dense}
    variants = {name: _parse_options(options) for name, *options in args.variant}
    for given, named, flag in ((args.dense, dense, '--dense'), (args.variant, variants, '--variant')):
        if len(named) < len(given):
            raise ValueError(f'{flag}: each needs a name of its own, got {" ".join(named)} more than once')
    axes = dict(targets=args.target, weights=args.weight, img_sizes=args.img_size, seeds=args.seed)
    return make_points(read_config(args.config, args.cfg_options), args.work_dir, variants=variants, dense=dense, **axes)


def _parse_options(options: list[str]) -> dict:
    """KEY=VALUE pairs as ``--cfg-options`` reads them."""
    wrong = [option for option in options if '=' not in option]
    if wrong:
        raise ValueError(f'--variant NAME KEY=VALUE ...: {wrong[0]!r} is no KEY=VALUE')
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='*', action=DictAction, default={})
    return parser.parse_args(['--options', *options]).options if options else {}


def run(args: argparse.Namespace) -> int:
    """Train and draw.

    Returns:
        0; 1 where a point failed or nothing is there to draw; 130 after an interruption.

    Raises:
        FileNotFoundError: a config is not there, or the tools that train are not.
        ValueError: the configs do not fit the grid, or the folder holds points of other configs.
        MetricError: the results have no such metric.
    """
    if not (TOOLS / 'train.py').is_file():
        raise FileNotFoundError(f'{TOOLS} has no train.py: a sweep needs msvit installed from a clone, pip install -e')
    args.work_dir = args.work_dir or Path('work_dirs') / f'{Path(args.config).stem}_sweep'
    points = plan(args)
    require_unchanged(points)
    failures, interrupted = [], False
    if not args.draw_only:
        try:
            train(args, points, failures)
        except KeyboardInterrupt:
            interrupted = True
    summaries, metric = draw_finished(args, points)
    drawn = bool(summaries.done.any())
    tabulate(summaries, metric)
    say(f'drawn: {args.work_dir / "sweep.png"}' if drawn else 'Nothing is finished, so there is nothing to draw.')
    results = [{'name': point.name, **result} for point in points if (result := read_result(point))]
    failed = [outcome.point.name for outcome in failures]
    write_json(args.out, dict(config=args.config, metric=metric, summaries=records(summaries), points=results, failed=failed))
    for outcome in failures:
        say(f'\nFAILED {outcome.point.name}: {outcome.error}')
    if failures:
        say(f'\nFailed: {len(failures)} of {len(points)} points. The same command tries them again.')
    if interrupted:
        say('Interrupted: the same command goes on where this one was.')
        return 130
    return int(bool(failures) or not drawn)


def train(args: argparse.Namespace, points: list[Point], failures: list[Outcome]) -> None:
    """Train what is not finished, drawing after each point; failures are added to the list."""
    waiting = [point for point in points if read_result(point) is None]
    done = len(points) - len(waiting)
    say(f'{len(points)} points, {done} of them finished, in {args.work_dir}')
    with tqdm(total=len(points), initial=done, unit='point', leave=False, disable=None) as bar:

        def ended(outcome: Outcome) -> None:
            failures.extend([outcome] if outcome.error else [])
            say(f'{"FAILED  " if outcome.error else "finished"} {outcome.point.name}')
            bar.update()
            draw_finished(args, points)

        train_points(waiting, TOOLS, args.jobs, lambda point: say(f'training {point.name}'), ended)


def draw_finished(args: argparse.Namespace, points: list[Point]) -> tuple[pd.DataFrame, str | None]:
    """Draw what is finished; the figures behind it and the metric's name."""
    summaries, metric = summarise(points, args.metric)
    if metric and summaries.done.any():
        draw(summaries, metric, args.work_dir / 'sweep.png', Path(args.config).stem)
    return summaries, metric


def tabulate(summaries: pd.DataFrame, metric: str | None) -> None:
    """Print one row for each place on the grid."""
    names = dict(dense='dense', variant='variant', img_size='input size', weight='λ', target='g*')
    axes = [axis for axis in names if any(axis in values for values in summaries['values'])]
    rows = []
    for one in summaries.to_dict('records'):
        row = {axis: one['values'].get(axis, '') for axis in axes}
        row = {axis: f'{value:g}' if isinstance(value, float) else value for axis, value in row.items()}
        row['seeds'] = one['done'] if one['done'] == one['planned'] else '{done} of {planned}'.format_map(one)
        row['metric'] = _figure(one['metric'], '.2f') + _figure(one['metric_std'], '.2f', ' ± ')
        row['gmacs'] = _figure(one['gmacs'], '.4g') + _figure(one['gmacs_std'], '.2g', ' ± ')
        row['tokens'], row['seconds'] = _figure(one['tokens'], '.1f'), _figure(one['train_seconds_per_iter'], '.3f')
        rows.append(row)
    columns = {names[axis]: f'{{{axis}}}' for axis in axes} | {'seeds': '{seeds}', metric or 'metric': '{metric}'}
    show_rows(rows, columns | {'GMACs per image': '{gmacs}', 'tokens': '{tokens}', 's per iteration': '{seconds}'})


def _figure(value: float, digits: str, before: str = '') -> str:
    return '' if pd.isna(value) else f'{before}{value:{digits}}'
