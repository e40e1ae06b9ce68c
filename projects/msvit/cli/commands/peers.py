"""Mixed scale against token merging (ToMe) and pruning (EViT, DynamicViT) on the same weights: MACs, speed, drift.

  msvit peers CONFIG CHECKPOINT --picture peers.png                              weights and gate of one mixed-scale model
  msvit peers CONFIG CHECKPOINT --weights DENSE_CONFIG DENSE_CHECKPOINT          its gate, the weights of a dense model
  msvit peers CONFIG CHECKPOINT --thresholds 0.2 0.5 0.8 --gate saliency random  operating points, untrained gates too
  msvit peers CONFIG CHECKPOINT --images photos                                  without labels: drift and agreement

At each threshold of the gate ToMe's r and the keep rates are chosen so that they cost as many MACs as mixed scale does in the
mean over the images; all methods share embedding, blocks and head. Drift is the distance of the output from that of the dense
ViT, every region fine, of the same weights: of the class token, or in segmentors of the mean patch feature, each token
counted once for every fine cell that it stands for. Pruned tokens do not count there, and merging, which averages, hardly
moves a mean. Untrained gates cost no MACs of their own. Time is that of the backbone, all methods in turns; only ratios carry
over to other machines.

Nobody trains here. ToMe is made for that, EViT can do without; the weights of a mixed-scale model were trained on mixed
tokens, which favours mixed scale: --weights with a plain ViT favours ToMe, whose weights it takes as they are. DynamicViT
prunes by trained score predictors, so it takes part only with weights that hold them (--weights with an MSDyViT). For ViTs
only: MSViT, MSDeiT, MSEViT and MSDyViT.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from rich.table import Table

from ...analysis.model import AnalysedModel
from ...analysis.peers import DENSE, MIXED, Comparison, HostWeights, Result, compare_peers, operating_gates
from ...analysis.peers.compare import UNTRAINED_GATES
from ...analysis.peers.drawing import draw_peers
from ...analysis.shifts import require_same_inputs
from ...engine.launch import read_config
from ..arguments import add_images, add_model, add_output, load, positive, samples_of, share
from ..output import about, progress, refuse_overwriting, report_left_out, say, show, write_json

THRESHOLDS = (0.3, 0.5, 0.7)
TOLERANCE = 0.05  # of MACs, relative


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    add_images(parser, count=100)
    group = parser.add_argument_group('comparison')
    group.add_argument(
        '--weights',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a model whose weights all take instead, e.g. the dense twin',
    )
    group.add_argument(
        '--thresholds', type=share, nargs='+', metavar='T', help='of the gate, an operating point each (default: 0.3 0.5 0.7)'
    )
    group.add_argument(
        '--gate',
        nargs='+',
        choices=list(UNTRAINED_GATES),
        default=[],
        help='untrained gates too, with as many fine regions',
    )
    group.add_argument('--batch-size', type=positive, default=8, help='timed beside single images (default: %(default)s)')
    group.add_argument('--rounds', type=positive, default=10, help='timed turns (default: %(default)s)')
    group.add_argument('--seed', type=int, default=0, help='of the random gate (default: %(default)s)')
    add_output(parser, picture='draw drift, and accuracy, against MACs and time')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    model = load(args)
    weights = HostWeights(_of_weights(args, model) if args.weights else model)
    thresholds = args.thresholds
    if not thresholds and args.threshold is None and hasattr(model.backbone.gate, 'mlp'):
        thresholds = THRESHOLDS
    gates = operating_gates(model.backbone.gate, thresholds)
    samples = samples_of(args, model)
    images = list(progress(samples, 'read'))
    report_left_out(samples.left_out, len(images))
    comparison = compare_peers(weights, gates, images, args.gate, args.batch_size, args.rounds, args.seed, progress)

    name = Path(args.config).stem + (f', weights of {Path(args.weights[0]).stem}' if args.weights else '')
    title = f'{name}, {len(images)} images'
    show(_table(comparison, args.batch_size, title))
    feature = 'class token' if weights.compares_class_token else 'mean patch feature'
    say(f'drift: of the {feature}; timed on {comparison.timed_shape[1]}x{comparison.timed_shape[0]} pixels')
    if missed := _missed(comparison.results):
        say(f'no setting comes closer to the MACs of mixed scale: {"; ".join(missed)}')
    if not weights.has_predictors:
        say('left out: DynamicViT, for the weights hold no trained score predictors: name those of an MSDyViT by --weights')
    if weights.backbone.cls_token is None:
        say('left out: EViT, for the ViT has no class token')
    if args.picture:
        draw_peers(comparison, args.picture, feature, title)
    rows = [_figures(result) for result in comparison.results]
    figures = dict(images=len(images), feature=feature, timed_shape=comparison.timed_shape, results=rows)
    write_json(args.out, dict(about=about(args), **figures, left_out=samples.left_out))


def _of_weights(args: Namespace, model: AnalysedModel) -> AnalysedModel:
    """The model of --weights, which must see the same images and name the same classes."""
    config, checkpoint = args.weights
    other = AnalysedModel(read_config(config, args.cfg_options), checkpoint, args.device)
    require_same_inputs(model, other)
    return other


def _table(comparison: Comparison, batch_size: int, title: str) -> Table:
    dense = comparison.results[0]
    classes = ['agrees %'] * bool(dense.agrees) + ['top-1 %'] * bool(dense.right)
    timed = ['ms'] + [f'ms, batch {batch_size}'] * (batch_size > 1)
    table = Table('', 'setting', 'tokens in', 'GMACs', *timed, 'faster', 'rel. L2', 'cosine', *classes, title=title)
    for number, result in enumerate(comparison.results):
        following = comparison.results[number + 1 : number + 2]
        table.add_row(
            result.method,
            ', '.join(result.settings),
            f'{result.mean("tokens"):.4g}',
            f'{result.mean("gmacs"):.3g}',
            *(f'{1e3 * result.seconds[size]:.3g}' for size in sorted(result.seconds)),
            ' / '.join(f'{dense.seconds[size] / result.seconds[size]:.2f}' for size in sorted(result.seconds)),
            f'{result.mean("distances"):.3f}',
            f'{result.mean("cosines"):.3f}',
            *(f'{100 * result.mean(name):.1f}' for name in ('agrees', 'right') if getattr(dense, name)),
            end_section=any(other.point != result.point for other in following),
        )
    return table


def _missed(results: list[Result]) -> list[str]:
    """The peers that could not be brought near the cost of their operating point."""
    wanted = {result.point: result.mean('gmacs') for result in results if result.method == MIXED}
    peers = [result for result in results if result.method not in (DENSE, MIXED, *UNTRAINED_GATES)]
    misses = {f'{peer.method} at {", ".join(peer.settings)}': peer.mean('gmacs') / wanted[peer.point] - 1 for peer in peers}
    return [f'{name}, {miss:+.0%}' for name, miss in misses.items() if abs(miss) > TOLERANCE]


def _figures(result: Result) -> dict[str, Any]:
    means = {name: result.mean(name) for name in ('tokens', 'gmacs', 'distances', 'cosines', 'agrees', 'right')}
    return dict(method=result.method, point=result.point, settings=result.settings, **means, seconds=result.seconds)
