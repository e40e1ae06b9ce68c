"""Compare a learned gate with a fixed one under random zooms and off-centre shifts (the paper's Figure 14).

  msvit shifts CONFIG CHECKPOINT --picture shifts.png                     against fine regions around the centre, same weights
  msvit shifts CONFIG CHECKPOINT --fixed CONFIG2 CHECKPOINT2              against a model that was trained so
  msvit shifts CONFIG CHECKPOINT --num-images 10000 --points 41 --out shifts.json

Each point is one zoom and shift of all images of the config's test set, which needs labels; the first one moves nothing. Where
the frame shows nothing of the scene it has one colour, and label maps nothing to be right about. Accuracy is top-1 of a
classifier, mIoU of a segmentor; MACs are the backbone's, as it ran. With few images, differences of a few points are noise.
The colour counts: exactly the mean, 0 to the network, says little to a gate but its biases. See --fill.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from ...analysis.model import AnalysedModel
from ...analysis.samples import DatasetSamples
from ...analysis.shifts.drawing import choose_examples, draw_shifts, show_example
from ...analysis.shifts.study import FIXED_GATES, black, evaluate_shifts, require_same_inputs, summarise, with_fixed_gate
from ...analysis.shifts.transform import Transform, draw_transforms
from ...engine.launch import read_config
from ..arguments import add_model, add_output, load, positive
from ..output import about, progress, refuse_overwriting, say, show_rows, write_json

CLASSIFIED, SEGMENTED = 500, 50  # images by default


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        '--fixed',
        nargs='+',
        default=['radial'],
        metavar='GATE',
        help=f'{", ".join(FIXED_GATES)}: this pattern with the same weights and as many fine regions; or CONFIG CHECKPOINT of '
        'another model (default: radial)',
    )
    group = parser.add_argument_group('images')
    group.add_argument(
        '--num-images',
        type=positive,
        metavar='N',
        help=f'at most so many, evenly drawn (default: {CLASSIFIED} of a classifier, {SEGMENTED} of a segmentor)',
    )
    group.add_argument(
        '--points', type=positive, default=21, metavar='N', help='transforms of all images (default: %(default)s)'
    )
    group.add_argument(
        '--zoom',
        type=float,
        nargs=2,
        default=(0.4, 2.5),
        metavar=('MIN', 'MAX'),
        help='range, even on a logarithmic scale (default: 0.4 2.5)',
    )
    group.add_argument(
        '--shift',
        type=float,
        default=0.3,
        metavar='S',
        help='at most so far to each side, as a share of the frame, in [0, 0.5] (default: %(default)s)',
    )
    group.add_argument(
        '--fill',
        choices=('mean', 'black'),
        default='black',
        help='colour of the frame beside the scene: black, or mean, which is 0 to the network (default: %(default)s)',
    )
    group.add_argument('--seed', type=int, default=0, help='of the transforms (default: %(default)s)')
    add_output(parser, picture='draw an example, and the difference at every point')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    if len(args.fixed) != 2 and (len(args.fixed) > 1 or args.fixed[0] not in FIXED_GATES):
        raise ValueError(f'--fixed takes one of {", ".join(FIXED_GATES)}, or CONFIG CHECKPOINT; got {" ".join(args.fixed)}')
    transforms = draw_transforms(args.points, args.zoom, args.shift, args.seed)
    learned = load(args)
    samples = DatasetSamples(learned, args.num_images or (SEGMENTED if learned.segments else CLASSIFIED))
    fixed, name = _fixed_model(args, learned, samples)
    fill = black(learned) if args.fill == 'black' else 0.0
    points = evaluate_shifts(learned, fixed, progress(samples, f'{len(transforms)} transforms'), transforms, fill)

    metric, summary = 'mIoU' if learned.segments else 'top-1', summarise(points)
    columns = {
        '': '{name}',
        'points': '{points}',
        f'learned {metric}': '{learned:.2f}',
        'fixed': '{fixed:.2f}',
        'difference': '{difference:+.2f}',
        'better at': '{better:.0%}',
        'learned GMACs': '{learned_gmacs:.4g}',
        'fixed GMACs': '{fixed_gmacs:.4g}',
        'ratio': '{ratio:.3f}',
    }
    more = dict(difference=summary.learned - summary.fixed, ratio=summary.learned_gmacs / summary.fixed_gmacs)
    title = f'{Path(args.config).stem} against {name}, {len(samples)} images'
    show_rows(summary.assign(**more).to_dict('records'), columns, title)
    say(f'{metric} in %; better at: share of the points where the learned gate is the more accurate')
    if args.picture:
        example = next(iter(samples))
        shown = [show_example(learned, fixed, example, transform, fill) for transform in choose_examples(transforms)]
        draw_shifts(points, shown, metric, args.picture, f'image {example.name}: {Path(args.config).stem} against {name}')
    rows = [_figures(transform, row) for transform, row in zip(transforms, points.to_dict('records'), strict=True)]
    figures = dict(metric=metric, fixed_model=name, images=len(samples), summary=summary.to_dict('records'), points=rows)
    write_json(args.out, dict(about=about(args), **figures))


def _fixed_model(args: Namespace, learned: AnalysedModel, samples: DatasetSamples) -> tuple[AnalysedModel, str]:
    """The model with the fixed gate, and what to call it."""
    if len(args.fixed) == 2:
        config, checkpoint = args.fixed
        fixed = AnalysedModel(read_config(config, args.cfg_options), checkpoint, args.device)
        require_same_inputs(learned, fixed)
        return fixed, Path(config).stem
    (kind,) = args.fixed
    fixed, share = with_fixed_gate(learned, kind, progress(samples, 'share of fine regions'), args.seed)
    return fixed, f'a {kind} gate at {share:.1%} fine, same weights'


def _figures(transform: Transform, row: dict[Hashable, Any]) -> dict[str, Any]:
    """One point for the JSON file."""
    scores = {gate: {name: row[f'{gate}_{name}'] for name in ('accuracy', 'gmacs', 'tokens')} for gate in ('learned', 'fixed')}
    return dict(transform=transform, **scores, **{name: row[name] for name in ('distance', 'gain', 'macs_ratio')})
