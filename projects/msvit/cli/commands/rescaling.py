"""Patch size against image size at equal numbers of tokens, on one trained model (Figures 16 and 17), without training.

  msvit rescaling CONFIG CHECKPOINT --picture rescaling.png                       half, own and twice the patch size
  msvit rescaling CONFIG CHECKPOINT --patch-sizes 8 16 32 --tokens-per-side 7 10 14 --out rescaling.json
  msvit rescaling CONFIG CHECKPOINT --patch-sizes 16 32 --img-sizes 160 224 320
  msvit rescaling CONFIG CHECKPOINT --images photos                               without labels: agreement alone

Every patch size meets every number of tokens: larger patches on a larger image (scenario A), smaller ones on a smaller image
(scenario B). The trained weights are resampled in three ways:

  linear    patch embedding and position embeddings bilinear; patch kernels are divided by their growth in area
  bicubic   the same, positions bicubic
  FlexiViT  the patch embedding by FlexiViT's pseudo-inverse, positions bilinear

A mixed-scale model keeps its patches per region, and its gate decides on the image resized back to the regions that it knows.
The paper trains a model for each place; here one model goes everywhere, so that the own place, where it runs untouched, has an
advantage. Images come at other sizes by the test pipeline where that resizes, and hold all the detail of their files; else
(such as the 32 pixels of CIFAR) the own inputs are resized, antialiased, and enlarged ones hold nothing new. Whole inputs are
run, without sliding windows. For MSViT, MSDeiT, MSEViT and MSDyViT.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Hashable
from pathlib import Path
from typing import Any, cast

import pandas as pd

from ...analysis.model import AnalysedModel
from ...analysis.rescaling.drawing import draw_rescaled
from ...analysis.rescaling.places import OwnInput, places_of_images, places_of_tokens, sized_models
from ...analysis.rescaling.study import best_at_equal_tokens, evaluate_rescaled
from ...analysis.rescaling.weights import require_vit
from ...analysis.table import records
from ..arguments import add_images, add_model, add_output, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    add_images(parser, count=100)
    group = parser.add_argument_group('sizes')
    group.add_argument(
        '--patch-sizes', type=positive, nargs='+', metavar='PIXELS', help='of fine tokens (default: half, own, twice the own)'
    )
    sizes = group.add_mutually_exclusive_group()
    sizes.add_argument(
        '--tokens-per-side',
        type=positive,
        nargs='+',
        metavar='N',
        help='fine tokens along the shorter side, whence the image sizes (default: 1/2, 3/4, 1 and 3/2 of the own)',
    )
    sizes.add_argument(
        '--img-sizes', type=positive, nargs='+', metavar='PIXELS', help='shorter sides instead, for every patch size'
    )
    add_output(parser, picture='draw accuracy and agreement against tokens')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    model = load(args)
    require_vit(model.backbone)
    own = _own_input(args, model)
    patches = args.patch_sizes or own.patch_sizes()
    if args.img_sizes:
        places = places_of_images(own, patches, args.img_sizes)
    else:
        places = places_of_tokens(own, patches, args.tokens_per_side or own.token_counts())
    samples = samples_of(args, model)
    twins = sized_models(model, {place.enlargement for place in places})
    read = {enlargement: samples_of(args, twin) for enlargement, twin in twins.items()}
    scores = evaluate_rescaled(model, progress(samples, 'rescale'), places, read=read)
    left_out = list({one['file']: one for source in (samples, *read.values()) for one in source.left_out}.values())
    images = len(samples) - len(left_out)
    report_left_out(left_out, images)

    accuracy, name = 'mIoU' if model.segments else 'top-1', Path(args.config).stem
    known = f'{accuracy} ' if scores.accuracy.notna().any() else ''
    points = [_figures(group) for _, group in scores.groupby(['patch_size', 'tokens_per_side'], sort=False)]
    _show(points, f'{name}, {images} images: {known}(agreement with the untouched model), %')
    for best in best_at_equal_tokens(scores).to_dict('records'):
        what = f'patch {best["patch_size"]}, {best["method"]}, {_cell(best)}'
        say(f'best at equal tokens, {best["tokens_per_side"]} per side: {what}')
    if args.picture:
        unit = '(%)' if model.segments else 'accuracy (%)'
        draw_rescaled(scores, args.picture, f'{accuracy} {unit}', f'{name}, {images} images')
    write_json(args.out, dict(about=about(args), accuracy=accuracy, images=images, points=points, left_out=left_out))


def _own_input(args: Namespace, model: AnalysedModel) -> OwnInput:
    """The sizes of the first image that can be read."""
    samples = samples_of(args, model)
    for sample in samples:
        return OwnInput.of(model, sample.inputs)
    report_left_out(samples.left_out, 0)
    raise AssertionError('without images report_left_out raises')


def _figures(rows: pd.DataFrame) -> dict[str, Any]:
    """One place for the JSON file, of the rows of its methods."""
    place = rows.iloc[0][['patch_size', 'tokens_per_side', 'img_size', 'own', 'read', 'tokens', 'gmacs']]
    scores = records(rows.filter(['accuracy', 'agreement']))
    return dict(**cast('dict[str, Any]', place.to_dict()), methods=dict(zip(rows.method, scores, strict=True)))


def _show(points: list[dict[str, Any]], title: str) -> None:
    columns = {
        'per side': '{tokens_per_side}',
        'patch': '{patch_size}',
        'image': '{img_size[1]}x{img_size[0]}{mark}',
        'read': '{how}',
        'tokens': '{tokens:.4g}',
        'GMACs': '{gmacs:.3g}',
        **{method: f'{{{method}}}' for method in points[0]['methods']},
    }
    rows = (
        {
            **point,
            'mark': ' (own)' if point['own'] else '',
            'how': 'yes' if point['read'] or point['own'] else 'resized',
            **{method: _cell(score) for method, score in point['methods'].items()},
        }
        for point in points
    )
    show_rows(rows, columns, title, section='tokens_per_side')


def _cell(score: dict[Hashable, Any]) -> str:
    known = '' if pd.isna(score['accuracy']) else f'{score["accuracy"]:.1f} '
    return f'{known}({score["agreement"]:.1f})'
