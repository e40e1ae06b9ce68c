"""Measure time: against the number of tokens (Figure 10), or over real images (the latencies of Tables 3 and 4).

  msvit latency configs/msvit_s16_224x224_in1k.py                         from all coarse to all fine, random weights
  msvit latency configs/msseg_s16_512x512_ade20k.py --tokens 684 586 552  beside the paper's Table 4
  msvit latency CONFIG --batch-sizes 1 8 --picture latency.png
  msvit latency CONFIG CHECKPOINT                                         images of the test set, as its gate decides
  msvit latency CONFIG CHECKPOINT --images photos --picture latency.png
  msvit latency model.onnx                                                a file of msvit export, in ONNX Runtime on the CPU
  msvit latency model.onnx --images photos

"Dense" is the same model with every region fine and no gate; of a .onnx file the gate stays. All runs take turns in one
process, after a warm-up, so that a busy machine disturbs all alike: compare ratios, milliseconds differ from machine to
machine. Against tokens the gate runs, but random decisions overrule it; of a .onnx file they are the gate's, under a budget.
One network input is timed, normalised image in, class scores out, without sliding windows.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ...analysis.latency import describe_machine, short
from ...analysis.latency.drawing import draw_images, draw_tokens
from ...analysis.latency.files import time_file_images, time_file_tokens
from ...analysis.latency.images import time_images
from ...analysis.latency.tokens import set_precision, spaced_tokens, summarise_tokens, time_tokens
from ...analysis.model import AnalysedModel
from ...analysis.table import spread
from ...runtime import OnnxModel
from ..arguments import add_images, add_model, add_output, load, positive, samples_of
from ..onnx_images import images_for, is_exported
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json

ROUNDS = dict(tokens=15, images=5)
MARGINS = ('p5', 'p25', 'p75', 'p95')


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser, checkpoint='optional')
    add_images(parser, count=50)
    group = parser.add_argument_group('measurement')
    group.add_argument(
        '--tokens',
        type=positive,
        nargs='+',
        metavar='N',
        help="tokens of an input of the config's size (default without a checkpoint: all coarse to all fine)",
    )
    group.add_argument(
        '--batch-sizes', type=positive, nargs='+', metavar='B', help='images of a batch, against tokens (default: 1)'
    )
    group.add_argument(
        '--rounds',
        type=positive,
        metavar='N',
        help=f'timed calls (default: {ROUNDS["tokens"]} against tokens, {ROUNDS["images"]} of every image)',
    )
    group.add_argument(
        '--dtype',
        choices=['float32', 'bfloat16', 'float16'],
        default='float32',
        help='of weights and images (default: %(default)s)',
    )
    group.add_argument('--threads', type=positive, metavar='N', help="of the processor (default: torch's choice)")
    group.add_argument('--seed', type=int, default=0, help='of random decisions and weights (default: %(default)s)')
    add_output(parser, picture='draw time against tokens')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    against_tokens = bool(args.tokens) or not (args.checkpoint or args.images)
    if args.tokens and args.images:
        raise ValueError('--tokens times random decisions: leave out --images')
    if args.images and not args.checkpoint and not is_exported(args.config):
        raise ValueError('a gate with random weights decides nothing worth timing: name a checkpoint, or leave out --images')
    if args.batch_sizes and not against_tokens:
        raise ValueError('images are timed one at a time: leave out --batch-sizes, or name --tokens')
    if args.threads:
        torch.set_num_threads(args.threads)
    if is_exported(args.config):
        _time_file(args, against_tokens)
        return
    torch.manual_seed(args.seed)
    model = load(args)
    set_precision(model, getattr(torch, args.dtype))
    (_time_tokens if against_tokens else _time_images)(args, model)


def _time_file(args: Namespace, against_tokens: bool) -> None:
    """Time an exported model in ONNX Runtime."""
    own = ('checkpoint', 'threshold', 'budget', 'batch_sizes', 'cfg_options')
    if any(getattr(args, name) for name in own) or args.dtype != 'float32':
        raise ValueError('a .onnx file is timed as it is, one image at a time: leave out checkpoint, settings and dtype')
    args.device = torch.device('cpu')
    file = OnnxModel(args.config, args.threads)
    if against_tokens:
        rounds = args.rounds or ROUNDS['tokens']
        _report_tokens(args, time_file_tokens(file, args.tokens, rounds, args.seed), rounds)
        return
    rounds = args.rounds or ROUNDS['images']
    _report_images(args, time_file_images(file, progress(images_for(file, args), 'read'), rounds), rounds, [])


def _time_tokens(args: Namespace, model: AnalysedModel) -> None:
    tokens, rounds = args.tokens or spaced_tokens(model), args.rounds or ROUNDS['tokens']
    _report_tokens(args, time_tokens(model, tokens, args.batch_sizes or [1], rounds, args.seed), rounds)


def _report_tokens(args: Namespace, times: pd.DataFrame, rounds: int) -> None:
    groups, parts = summarise_tokens(times), list(dict.fromkeys(times.part))
    columns = {'': '{kind}', 'batch': '{batch}', 'tokens': '{tokens}'}
    for part in parts:
        columns |= {part: f'{{{part}}}', f'{part}, faster': f'{{faster[{part}]:.2f}}'}
    columns |= {f'{name[1:]} %': f'{{{name}}}' for name in MARGINS}
    points = [(kind, point) for group in groups for kind, of in group.items() for point in (of if kind == 'mixed' else [of])]
    rows = [{'kind': kind, **point, **_ms(point)} for kind, point in points]
    show_rows(rows, columns, _title(args, 'Median ms per image'))
    if 'backbone' in parts:
        blocks = 'transformer blocks alone' if 'blocks' in parts else 'left out, for patches are merged between them'
        say(f'blocks: {blocks}; backbone: with gate and embedding; model: with its head, percentiles at the right')
    if args.picture:
        draw_tokens(times, args.picture, Path(args.config).stem)
    write_json(args.out, dict(about=_about(args, rounds), per_batch=groups))


def _ms(point: dict[str, Any]) -> dict[str, str]:
    """Medians of the parts of a model and percentiles of the whole, in milliseconds of one image."""

    def ms(part: str, name: str) -> str:
        return short(1000 * point['seconds'][part][name] / point['batch'])

    return {part: ms(part, 'median') for part in point['seconds']} | {name: ms('model', name) for name in MARGINS}


def _time_images(args: Namespace, model: AnalysedModel) -> None:
    samples, rounds = samples_of(args, model), args.rounds or ROUNDS['images']
    images = time_images(model, progress(samples, 'read'), rounds)
    report_left_out(samples.left_out, len(images))
    _report_images(args, images, rounds, samples.left_out)


def _report_images(args: Namespace, images: pd.DataFrame, rounds: int, left_out: list[dict[str, str]]) -> None:
    figures = {
        'dense, ms': 1000 * images.dense,
        'mixed, ms': 1000 * images.mixed,
        'times faster': images.faster,
        'tokens, dense': images.dense_tokens,
        'tokens, mixed': images.tokens,
    }
    spreads = spread(pd.DataFrame(figures))
    headings = {'mean': 'mean', 'std': 'std', 'p5': '5 %', 'p25': '25 %', 'median': 'median', 'p75': '75 %', 'p95': '95 %'}
    shown = spreads.map(short).assign(what=spreads.index).to_dict('records')
    columns = {'': '{what}', **{heading: f'{{{name}}}' for name, heading in headings.items()}}
    show_rows(shown, columns, _title(args, f'{len(images)} images'))
    if args.picture:
        draw_images(images, args.picture, Path(args.config).stem)
    results = dict(spread=spreads.to_dict('index'), seconds=images.to_dict('records'), left_out=left_out)
    write_json(args.out, dict(about=_about(args, rounds), **results))


def _title(args: Namespace, what: str) -> str:
    return f'{what}, {Path(args.config).stem}, {describe_machine(args.device)}, {args.dtype}'


def _about(args: Namespace, rounds: int) -> dict[str, Any]:
    return {**about(args), 'rounds': rounds, 'machine': describe_machine(args.device)}
