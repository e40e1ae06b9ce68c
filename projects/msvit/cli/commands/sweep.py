"""Sweep gate targets g*, gate-loss weights lambda, input sizes and seeds from one config; draw accuracy against MACs.

  msvit sweep CONFIG --target 0.5 0.25 0.1 --weight 1 4 20 --dense DENSE_CONFIG --work-dir DIR
  msvit sweep ... --draw-only                      the same grid: draw what is finished, train nothing

An axis left out takes what the config says. Every point trains in a folder of its own in the work dir, named after its
values, which holds its config, log, checkpoints and, once finished, result.json. The same command again goes on where it was
interrupted, and with a longer grid where it ended; what is finished is not trained twice. DIR/sweep.png is drawn anew after
each point.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from mmengine.config import DictAction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...analysis.sweep import (
    Outcome,
    Point,
    Summary,
    draw,
    make_points,
    read_result,
    require_unchanged,
    summarise,
    train_points,
    write_text,
)
from ...engine.launch import read_config
from ..arguments import file_of, positive

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


def train(args: argparse.Namespace, console: Console, failures: list[Outcome]) -> bool:
    """Train what is not finished, drawing after each point; failures are added to the list. True after an interruption."""
    waiting = [point for point in args.points if read_result(point) is None]
    done = len(args.points) - len(waiting)
    say(console, f'{len(args.points)} points, {done} of them finished, in {args.work_dir}')
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn('{task.description}', markup=False))
    try:
        with kill_as_interruption(), Progress(*columns, console=console) as progress:
            task = progress.add_task('', total=len(args.points), completed=done)

            def started(point: Point) -> None:
                progress.update(task, description=point.name)
                say(console, f'training {point.name}')

            with closing(train_points(waiting, TOOLS, args.jobs, started)) as outcomes:
                for outcome in outcomes:
                    failures += [outcome] if outcome.error else []
                    say(console, f'{"FAILED  " if outcome.error else "finished"} {outcome.point.name}')
                    progress.advance(task)
                    show(args)
    except KeyboardInterrupt:
        return True
    return False


def say(console: Console, text: str) -> None:
    """Print a text as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show(args: argparse.Namespace) -> tuple[list[Summary], str | None]:
    """Draw what is finished; the figures behind it and the metric's name.

    Raises:
        MetricError: the results have no such metric.
    """
    summaries, metric = summarise(args.points, args.metric)
    if any(summary.done for summary in summaries):
        draw(summaries, metric, args.work_dir / 'sweep.png', Path(args.config).stem)
    return summaries, metric


def tabulate(summaries: list[Summary], metric: str | None) -> Table:
    """One row for each place on the grid."""
    names = dict(dense='dense', variant='variant', img_size='input size', weight='λ', target='g*')
    axes = [axis for axis in names if any(axis in summary.values for summary in summaries)]
    table = Table(*(names[axis] for axis in axes))
    for head in ('seeds', metric or 'metric', 'GMACs per image', 'tokens', 's per iteration'):
        table.add_column(head, justify='right')
    for summary in summaries:
        values = [summary.values.get(axis, '') for axis in axes]
        places = [f'{value:g}' if isinstance(value, float) else str(value) for value in values]
        seeds = str(summary.done) if summary.done == summary.planned else f'{summary.done} of {summary.planned}'
        figures = ['', '', '', '']
        if summary.done:
            score = f'{summary.metric:.2f}' + _spread(summary.metric_std, '.2f')
            gmacs = f'{summary.gmacs:.4g}' + _spread(summary.gmacs_std, '.2g')
            seconds = summary.train_seconds_per_iter
            figures = [score, gmacs, f'{summary.tokens:.1f}', '' if seconds is None else f'{seconds:.3f}']
        table.add_row(*places, seeds, *figures)
    return table


def _spread(deviation: float | None, digits: str) -> str:
    return '' if deviation is None else f' ± {deviation:{digits}}'


def write_figures(args: argparse.Namespace, summaries: list[Summary], metric: str | None, failures: list[Outcome]) -> None:
    """All results and their means over seeds, as JSON."""
    results = [{'name': point.name, **result} for point in args.points if (result := read_result(point))]
    figures = dict(config=args.config, metric=metric, summaries=[asdict(summary) for summary in summaries], points=results)
    figures['failed'] = [outcome.point.name for outcome in failures]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(args.out, json.dumps(figures, indent=2) + '\n')


@contextmanager
def kill_as_interruption() -> Iterator[None]:
    """Let ``kill`` do what Ctrl-C does, so that no training is left behind."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


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
    args.points = plan(args)
    require_unchanged(args.points)
    console, failures = Console(width=None if sys.stdout.isatty() else 150), []
    interrupted = not args.draw_only and train(args, console, failures)
    return report(args, console, failures, interrupted)


def report(args: argparse.Namespace, console: Console, failures: list[Outcome], interrupted: bool) -> int:
    """Show what there is; the exit status."""
    summaries, metric = show(args)
    drawn = any(summary.done for summary in summaries)
    console.print(tabulate(summaries, metric))
    say(console, f'drawn: {args.work_dir / "sweep.png"}' if drawn else 'Nothing is finished, so there is nothing to draw.')
    if args.out:
        write_figures(args, summaries, metric, failures)
    for outcome in failures:
        say(console, f'\nFAILED {outcome.point.name}: {outcome.error}')
    if failures:
        say(console, f'\nFailed: {len(failures)} of {len(args.points)} points. The same command tries them again.')
    if interrupted:
        say(console, 'Interrupted: the same command goes on where this one was.')
        return 130
    return int(bool(failures) or not drawn)
