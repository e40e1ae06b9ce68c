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

import pandas as pd

from ...analysis.model import AnalysedModel
from ...analysis.peers.compare import DENSE, FIGURES, MIXED, UNTRAINED_GATES, compare_peers, operating_gates
from ...analysis.peers.drawing import draw_peers
from ...analysis.peers.nets import HostWeights
from ...analysis.shifts.study import require_same_inputs
from ...analysis.table import records
from ...engine.launch import read_config
from ..arguments import add_images, add_model, add_output, load, positive, samples_of, share
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json

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
    _show(comparison.results, title)
    feature = 'class token' if weights.compares_class_token else 'mean patch feature'
    say(f'drift: of the {feature}; timed on {comparison.timed_shape[1]}x{comparison.timed_shape[0]} pixels')
    if missed := _missed(comparison.results):
        say(f'no setting comes closer to the MACs of mixed scale: {"; ".join(missed)}')
    if not weights.has_predictors:
        say('left out: DynamicViT, for the weights hold no trained score predictors: name those of an MSDyViT by --weights')
    if weights.backbone.cls_token is None:
        say('left out: EViT, for the ViT has no class token')
    if args.picture:
        draw_peers(comparison.results, args.picture, feature, title)
    columns = ['method', 'point', 'settings', *FIGURES, 'seconds']
    results = records(comparison.results.filter(columns))
    figures = dict(images=len(images), feature=feature, timed_shape=comparison.timed_shape, results=results)
    write_json(args.out, dict(about=about(args), **figures, left_out=samples.left_out))


def _of_weights(args: Namespace, model: AnalysedModel) -> AnalysedModel:
    """The model of --weights, which must see the same images and name the same classes."""
    config, checkpoint = args.weights
    other = AnalysedModel(read_config(config, args.cfg_options), checkpoint, args.device)
    require_same_inputs(model, other)
    return other


def _show(results: pd.DataFrame, title: str) -> None:
    dense, shown = results.iloc[0], results.copy()
    shown['settings'] = [', '.join(settings) for settings in results.settings]
    sizes = sorted(dense.seconds)
    shown['faster'] = [' / '.join(f'{dense.seconds[size] / one[size]:.2f}' for size in sizes) for one in results.seconds]
    for size in sizes:
        shown[f'ms{size}'] = [1e3 * seconds[size] for seconds in results.seconds]
    for name in ('agrees', 'right'):
        shown[name] *= 100
    columns = {
        '': '{method}',
        'setting': '{settings}',
        'tokens in': '{tokens:.4g}',
        'GMACs': '{gmacs:.3g}',
        **{f'ms, batch {size}' if size > 1 else 'ms': f'{{ms{size}:.3g}}' for size in sizes},
        'faster': '{faster}',
        'rel. L2': '{distances:.3f}',
        'cosine': '{cosines:.3f}',
        'agrees %': '{agrees:.1f}',
        'top-1 %': '{right:.1f}',
    }
    for name, heading in (('agrees', 'agrees %'), ('right', 'top-1 %')):
        if pd.isna(dense[name]):
            del columns[heading]
    show_rows(shown.to_dict('records'), columns, title, section='point')


def _missed(results: pd.DataFrame) -> list[str]:
    """The peers that could not be brought near the cost of their operating point."""
    wanted = results[results.method == MIXED].set_index('point').gmacs
    peers = results[~results.method.isin((DENSE, MIXED, *UNTRAINED_GATES))]
    misses = peers.gmacs.to_numpy() / wanted.loc[peers.point].to_numpy() - 1
    named = zip(peers.method, peers.settings, misses, strict=True)
    return [f'{name} at {", ".join(settings)}, {miss:+.0%}' for name, settings, miss in named if abs(miss) > TOLERANCE]
