"""Make a mixed-scale model of a trained dense one: the gate is taught, the model goes on learning, both are measured.

  msvit convert CONFIG CHECKPOINT --out converted                       with the labels of the config's training data
  msvit convert CONFIG CHECKPOINT --images photos --out converted       without labels: the dense model teaches
  msvit convert CONFIG CHECKPOINT --target 0.4 --sweep --out converted  another share of fine regions; all thresholds too
  msvit convert CONFIG CHECKPOINT --out converted --resume              goes on after an interruption

CONFIG is that of a dense model of mmseg, mmpretrain or mmdet on msvit.MSViT without a gate; CHECKPOINT its trained weights.
DIR gets mixed.py and mixed.safetensors, for tools/test.py and all commands, convert.json with the figures, scales.png and,
with --sweep, sweep.png. Logs and settings of the training are in DIR/training.

With labels the result is tested on the config's test data by its own metrics. With --images a fifth of the images is held back
from training, and tells how often the mixed-scale model says what the dense one does. --resume on a finished conversion
measures it anew, for instance with --sweep.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import asdict
from pathlib import Path

from mmengine.config import DictAction

from ...conversion.conversion import Conversion
from ...conversion.images import split_images
from ...conversion.report import Report, report_conversion
from ...conversion.sweep import TOLERANCE
from ...engine.launch import read_config
from ...teachers import DenseTeacher, GateTeacher
from ..arguments import positive
from ..output import about, progress, report_left_out, say, show_rows, write_json

INTERRUPTED = 130  # the exit status that shells give to Ctrl-C


def inner_share(text: str) -> float:
    """A number in (0, 1)."""
    value = float(text)
    if not 0 < value < 1:
        raise ArgumentTypeError(f'must lie in (0, 1), got {text}')
    return value


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('config', help='config file of the dense model')
    parser.add_argument('checkpoint', help='file, address or msvit:// name of its trained weights')
    parser.add_argument(
        '--images', type=Path, metavar='FOLDER', help="learn from these images, without labels (default: the config's data)"
    )
    parser.add_argument(
        '--target',
        type=inner_share,
        default=0.5,
        metavar='G',
        help='wanted share of fine regions, in (0, 1) (default: %(default)s)',
    )
    parser.add_argument(
        '--iters',
        type=positive,
        metavar='N',
        help='training steps (default: five times over the images, at least 200, at most 4000)',
    )
    parser.add_argument(
        '--teach-iters',
        type=positive,
        metavar='N',
        help='steps in which the gate is taught, first and alone '
        f'(default: {GateTeacher.iters} by labels, {DenseTeacher.iters} by the dense model)',
    )
    parser.add_argument(
        '--sweep', action='store_true', help='measure thresholds from nearly all coarse to all fine too, and recommend one'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings of the config')
    group = parser.add_argument_group('output')
    group.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help='folder for config, checkpoint, figures, pictures'
    )
    group.add_argument('--resume', action='store_true', help='go on with the conversion that was begun in DIR')
    group.add_argument('--overwrite', action='store_true', help='remove the conversion in DIR and begin anew')


def run(args: Namespace) -> int | None:
    if args.resume and args.overwrite:
        raise ValueError('--resume goes on with a conversion, --overwrite begins anew: give one of them')
    images = split_images(args.images, args.out, lambda files: progress(files, 'read')) if args.images else None
    if images:
        report_left_out(images.left_out, len(images.training))
    config = read_config(args.config, args.cfg_options)
    conversion = Conversion(config, args.checkpoint, args.target, args.out, images, args.iters, args.teach_iters)
    conversion.begin(args.resume, args.overwrite)
    try:
        conversion.train(args.resume)
        report = report_conversion(conversion, args.sweep, say)
    except KeyboardInterrupt:
        say(f'\nInterrupted: the same command with --resume goes on in {args.out}.')
        return INTERRUPTED
    _show(report, Path(args.config).stem)
    _show_thresholds(report)
    write_json(conversion.folder.figures, _figures(args, conversion, report))
    folder = conversion.folder
    files = (folder.config, folder.checkpoint, folder.figures, folder.scales, folder.curve)
    say(f'written: {" ".join(str(file) for file in files if file.exists())}')
    return None


def _show(report: Report, title: str) -> None:
    dense, mixed, seconds = report.dense, report.mixed, report.seconds
    score = dict(what=f'{report.metric}, %', dense=f'{dense.score:.2f}', mixed=f'{mixed.score:.2f}')
    rows = [score | dict(against=f'{mixed.score - dense.score:+.2f}')]
    for name, before, after, digits in (
        ('tokens per input', dense.tokens, mixed.tokens, '.1f'),
        ('GMACs of the backbone', dense.gmacs, mixed.gmacs, '.4g'),
        ('ms per image, whole model', 1000 * seconds['dense'], 1000 * seconds['mixed'], '.1f'),
    ):
        ratio = f'{after / before:.3f}x'
        rows.append(dict(what=name, dense=f'{before:{digits}}', mixed=f'{after:{digits}}', against=ratio))
    columns = {'': '{what}', 'dense': '{dense}', 'mixed scale': '{mixed}', 'against dense': '{against}'}
    show_rows(rows, columns, f'{title}; time of {report.images} images, {report.machine}')


def _show_thresholds(report: Report) -> None:
    if not report.settings:
        return
    columns = {
        '': '{best}',
        'fine regions': '{share:.0%}',
        'threshold': '{threshold:g}',
        f'{report.metric}, %': '{score:.2f}',
        'tokens': '{tokens:.1f}',
        'GMACs': '{gmacs:.4g}',
    }
    rows = [
        {**asdict(one.reached), 'share': one.share, 'threshold': one.threshold, 'best': '*' if one is report.best else ''}
        for one in report.settings
    ]
    show_rows(rows, columns, 'thresholds, without training')
    near = f'within {TOLERANCE:g} points of {report.wanted:.2f}'
    if report.best:
        say(f'recommended, the cheapest {near}: {report.best.option}')
    else:
        say(f'no threshold comes {near}: train longer (--iters), or with more fine regions (--target)')


def _figures(args: Namespace, conversion: Conversion, report: Report) -> dict:
    dense, mixed, best = report.dense, report.mixed, report.best
    figures = dict(
        about={**about(args), 'iters': conversion.iters, 'machine': report.machine},
        metric=report.metric,
        dense={**asdict(dense), 'seconds': report.seconds['dense']},
        mixed={**asdict(mixed), 'seconds': report.seconds['mixed']},
        against_dense=dict(
            score=mixed.score - dense.score,
            tokens=mixed.tokens / dense.tokens,
            gmacs=mixed.gmacs / dense.gmacs,
            speedup=report.seconds['dense'] / report.seconds['mixed'],
        ),
    )
    if conversion.images:
        figures['images'] = dict(
            training=len(conversion.images.training), test=len(conversion.images.test), left_out=conversion.images.left_out
        )
    if report.settings:
        settings = [{**asdict(one), 'option': one.option} for one in report.settings]
        figures['sweep'] = dict(settings=settings, recommended=best.option if best else None, wanted=report.wanted)
    return figures
