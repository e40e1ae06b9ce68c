"""Count multiply-accumulates (MACs) by part: gate, patch embedding, transformer blocks, head; dense and mixed-scale.

  msvit macs CONFIG CHECKPOINT                                         over the config's test set, as its gate decides
  msvit macs CONFIG CHECKPOINT --images photos --picture macs.png      over your images
  msvit macs configs/msseg_s16_512x512_ade20k.py --tokens 684 586 552  at given tokens, without images: the paper's Table 4

Attention is counted; norms, activations and softmax are not, as is usual. "Dense" is the same model with every region fine
and no gate. One network input is counted, without sliding windows.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pandas as pd
import torch

from ...analysis.decisions import mask_of_tokens, native_inputs
from ...analysis.macs.drawing import draw_macs
from ...analysis.macs.model import COLUMNS, ModelMacs, model_macs
from ...analysis.model import AnalysedModel, all_fine, overruled
from ...analysis.table import spread
from ..arguments import add_images, add_model, add_output, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, show_rows, write_json


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
    columns = {
        '': '{kind}',
        'tokens': '{tokens}',
        **{part: f'{{{part}:.4g}}' for part in COLUMNS},
        'times fewer': '{fewer:.2f}',
    }
    shown = [
        dict(row._asdict(), kind='mixed' if number else 'dense', fewer=rows[0].total / row.total)
        for number, row in enumerate(rows)
    ]
    show_rows(shown, columns, f'GMACs of one input, {Path(args.config).stem}')
    write_json(args.out, dict(about=about(args), gmacs=[row._asdict() for row in rows]))


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

    before, after = (pd.DataFrame(rows).filter([*COLUMNS, 'tokens']) for rows in (dense, mixed))
    spreads, means = spread(after), before.mean()
    columns = {
        '': '{part}',
        'dense, mean': '{dense:.4g}',
        'mixed, mean': '{mean:.4g}',
        'std': '{std:.4g}',
        '5 %': '{p5:.4g}',
        'median': '{median:.4g}',
        '95 %': '{p95:.4g}',
        'times fewer': '{fewer}',
    }
    shown = spreads.assign(part=spreads.index, dense=means).to_dict('records')
    for row in shown:
        row['fewer'] = f'{row["dense"] / row["mean"]:.2f}' if row['mean'] and row['dense'] else ''
    show_rows(shown, columns, f'GMACs of one input, {Path(args.config).stem}, {len(mixed)} images')
    if args.picture:
        draw_macs(before, after, args.picture, Path(args.config).stem)
    pairs = zip(names, dense, mixed, strict=True)
    images = [dict(name=name, dense=a._asdict(), mixed=b._asdict()) for name, a, b in pairs]
    figures = dict(dense_mean=means.to_dict(), mixed=spreads.to_dict('index'))
    write_json(args.out, dict(about=about(args), gmacs=figures, images=images, left_out=samples.left_out))
