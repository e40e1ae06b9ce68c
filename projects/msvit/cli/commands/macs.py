"""Count multiply-accumulates (MACs) by part: gate, patch embedding, transformer blocks, head; dense and mixed-scale.

  msvit macs CONFIG CHECKPOINT                                         over the config's test set, as its gate decides
  msvit macs CONFIG CHECKPOINT --images photos --picture macs.png      over your images
  msvit macs configs/msseg_s16_512x512_ade20k.py --tokens 684 586 552  at given tokens, without images: the paper's Table 4

Attention is counted; norms, activations and softmax are not, as is usual. "Dense" is the same model with every region fine
and no gate. One network input is counted, without sliding windows.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

import torch
from rich.table import Table

from ...analysis.decisions import mask_of_tokens, native_inputs
from ...analysis.macs.drawing import draw_macs
from ...analysis.macs.model import COLUMNS, ModelMacs, model_macs
from ...analysis.model import AnalysedModel, all_fine, overruled
from ...analysis.spread import Spread
from ..arguments import add_images, add_model, add_output, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, show, write_json


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser, checkpoint='optional')
    add_images(parser, count=100)
    parser.add_argument(
        '--tokens', type=positive, nargs='+', metavar='N', help="tokens of an input of the config's size, instead of images"
    )
    add_output(parser, picture='draw the parts, and the spread over images')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    if args.tokens and (args.images or args.picture):
        raise ValueError('--tokens counts without images: leave out --images and --picture')
    if not args.tokens and not args.checkpoint:
        raise ValueError('a gate with random weights decides nothing worth counting: name a checkpoint, or --tokens')
    model = load(args)
    if args.tokens:
        _count_tokens(args, model)
    else:
        _count_images(args, model)


def _count_tokens(args: Namespace, model: AnalysedModel) -> None:
    inputs = native_inputs(model)
    with all_fine(model.backbone):
        rows = [model_macs(model, inputs)]
    for tokens in progress(args.tokens, 'count', 'row'):
        with overruled(model.backbone, mask_of_tokens(model.backbone, inputs, tokens)):
            rows.append(model_macs(model, inputs))
    table = Table('', 'tokens', *COLUMNS, 'times fewer', title=f'GMACs of one input, {Path(args.config).stem}')
    for number, row in enumerate(rows):
        parts = (f'{getattr(row, part):.4g}' for part in COLUMNS)
        table.add_row('mixed' if number else 'dense', str(row.tokens), *parts, f'{rows[0].total / row.total:.2f}')
    show(table)
    write_json(args.out, dict(about=about(args), gmacs=[_figures(row) for row in rows]))


def _count_images(args: Namespace, model: AnalysedModel) -> None:
    samples, dense, mixed, names = samples_of(args, model), [], [], []
    of_shape: dict[torch.Size, ModelMacs] = {}  # dense cost depends on the size alone
    for sample in progress(samples, 'count'):
        shape = sample.inputs.shape
        if shape not in of_shape:
            with all_fine(model.backbone):
                of_shape[shape] = model_macs(model, sample.inputs)
        dense.append(of_shape[shape])
        mixed.append(model_macs(model, sample.inputs))
        names.append(sample.name)
    report_left_out(samples.left_out, len(mixed))

    spreads = {part: Spread.of([getattr(one, part) for one in mixed]) for part in (*COLUMNS, 'tokens')}
    means = {part: Spread.of([getattr(one, part) for one in dense]).mean for part in (*COLUMNS, 'tokens')}
    title = f'GMACs of one input, {Path(args.config).stem}, {len(mixed)} images'
    table = Table('', 'dense, mean', 'mixed, mean', 'std', '5 %', 'median', '95 %', 'times fewer', title=title)
    for part, spread in spreads.items():
        values = (spread.mean, spread.std, spread.p5, spread.median, spread.p95)
        fewer = f'{means[part] / spread.mean:.2f}' if spread.mean and means[part] else ''
        table.add_row(part, *(f'{value:.4g}' for value in (means[part], *values)), fewer)
    show(table)
    if args.picture:
        draw_macs(dense, mixed, args.picture, Path(args.config).stem)
    images = [dict(name=name, dense=_figures(a), mixed=_figures(b)) for name, a, b in zip(names, dense, mixed, strict=True)]
    figures = dict(dense_mean=means, mixed={part: asdict(spread) for part, spread in spreads.items()})
    write_json(args.out, dict(about=about(args), gmacs=figures, images=images, left_out=samples.left_out))


def _figures(macs: ModelMacs) -> dict[str, float]:
    return {**asdict(macs), 'backbone': macs.backbone, 'total': macs.total}
