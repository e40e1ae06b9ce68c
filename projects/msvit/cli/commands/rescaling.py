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
from math import isnan
from pathlib import Path
from typing import Any

from rich.table import Table

from ...analysis.model import AnalysedModel
from ...analysis.rescaling import (
    OwnInput,
    Point,
    Score,
    best_at_equal_tokens,
    evaluate_rescaled,
    places_of_images,
    places_of_tokens,
    require_vit,
    sized_models,
)
from ...analysis.rescaling.drawing import draw_rescaled
from ..arguments import add_images, add_model, add_output, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, say, show, write_json


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
    points = evaluate_rescaled(model, progress(samples, 'rescale'), places, read=read)
    left_out = list({one['file']: one for source in (samples, *read.values()) for one in source.left_out}.values())
    images = len(samples) - len(left_out)
    report_left_out(left_out, images)

    accuracy = 'mIoU' if model.segments else 'top-1'
    name = Path(args.config).stem
    figures = '(agreement with the untouched model)'
    if any(not isnan(value.accuracy) for value in points[0].scores.values()):
        figures = f'{accuracy} {figures}'
    show(_table(points, f'{name}, {images} images: {figures}, %'))
    for point in best_at_equal_tokens(points):
        place, method = point.place, point.best()
        best = f'patch {place.patch_size}, {method}, {_cell(point.scores[method])}'
        say(f'best at equal tokens, {place.tokens_per_side} per side: {best}')
    if args.picture:
        draw_rescaled(
            points, args.picture, f'{accuracy} {"" if model.segments else "accuracy "}(%)', f'{name}, {images} images'
        )
    rows = [_figures(point) for point in points]
    write_json(args.out, dict(about=about(args), accuracy=accuracy, images=images, points=rows, left_out=left_out))


def _own_input(args: Namespace, model: AnalysedModel) -> OwnInput:
    """The sizes of the first image that can be read."""
    samples = samples_of(args, model)
    for sample in samples:
        return OwnInput.of(model, sample.inputs)
    report_left_out(samples.left_out, 0)  # raises: there is none


def _table(points: list[Point], title: str) -> Table:
    methods = list(points[0].scores)
    table = Table('per side', 'patch', 'image', 'read', 'tokens', 'GMACs', *methods, title=title)
    for number, point in enumerate(points):
        place, following = point.place, points[number + 1 : number + 2]
        cells = (_cell(point.scores[method]) for method in methods)
        table.add_row(
            str(place.tokens_per_side),
            str(place.patch_size),
            '{1}x{0}'.format(*place.img_size) + (' (own)' if place.is_own else ''),
            'yes' if point.read or place.is_own else 'resized',
            f'{point.tokens:.4g}',
            f'{point.gmacs:.3g}',
            *cells,
            end_section=any(other.place.tokens_per_side != place.tokens_per_side for other in following),
        )
    return table


def _cell(score: Score) -> str:
    return f'({score.agreement:.1f})' if isnan(score.accuracy) else f'{score.accuracy:.1f} ({score.agreement:.1f})'


def _figures(point: Point) -> dict[str, Any]:
    place = point.place
    sizes = dict(patch_size=place.patch_size, tokens_per_side=place.tokens_per_side, img_size=place.img_size)
    scores = {
        name: dict(accuracy=None if isnan(score.accuracy) else score.accuracy, agreement=score.agreement)
        for name, score in point.scores.items()
    }
    return dict(**sizes, own=place.is_own, read=point.read, tokens=point.tokens, gmacs=point.gmacs, methods=scores)
