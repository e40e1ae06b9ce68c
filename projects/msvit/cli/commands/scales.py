"""See what a mixed-scale model makes of images: their scale maps, p_fine, and its predictions beside the dense model's.

  msvit scales CONFIG CHECKPOINT --picture grid.png                    over images of the config's test set, with their labels
  msvit scales CONFIG CHECKPOINT --images photos --picture grid.png    over your images
  msvit scales CONFIG CHECKPOINT --images photos --html report.html    as a page for the browser, to sort and to pass on
  msvit scales CONFIG CHECKPOINT --dense DENSE_CONFIG DENSE_CHECKPOINT --picture grid.png

A row for each image, as in Figures 9 and 13 of the paper: the image as the network sees it, its scale map (a tile for each
token; where they are small on the picture, coarse regions are faded), p_fine with the gate's threshold marked on its scale,
and the predictions: class colours of a segmentor, the three most likely classes of a classifier. Without --dense the dense
prediction is that of the same weights with every region fine. Many images make several pages, grid_2.png and on.

GMACs are those of the backbone with gate and embedding. A network with sliding windows is counted over all of them.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.classes import class_names, palette_of
from ...analysis.model import AnalysedModel
from ...analysis.samples import usable
from ...analysis.scales.cells import Cell, Painter
from ...analysis.scales.page import draw_page
from ...analysis.scales.report import SUMMARY, Card, summarise, write_report
from ...analysis.scales.view import ScaleView, ScaleViewer, figures_of
from ...engine.launch import read_config
from ...gates import LearnedGate
from ..arguments import add_images, add_model, add_output, file_of, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json
from ..pages import Pages

Row = tuple[dict[str, Any], dict[str, Cell], Counter[int]]  # of an image: figures, pictures, pixels of each class


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        '--dense',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='model to compare with (default: the same weights, all fine)',
    )
    add_images(parser, count=8)
    add_output(parser, picture='draw the images, a row each')
    parser.add_argument(
        '--per-picture', type=positive, default=8, metavar='N', help='rows of one picture (default: %(default)s)'
    )
    parser.add_argument('--html', type=file_of('.html'), metavar='FILE.html', help='write a page for the browser, in one file')


def run(args: Namespace) -> None:
    if not (args.picture or args.html):
        raise ValueError('there is nothing to draw to: give --picture FILE.png, --html FILE.html or both')
    refuse_overwriting(args, *([args.html] if args.html else []))
    model = load(args)
    dense = AnalysedModel(read_config(args.dense[0], args.cfg_options), args.dense[1], args.device) if args.dense else None
    viewer, samples = ScaleViewer(model, dense), samples_of(args, model)
    names, palette = class_names(model, args.checkpoint), palette_of(model) if model.segments else None
    painter = Painter(model, names, palette, 'dense model' if dense else 'same weights, all fine')
    gate, name = model.backbone.gate, Path(args.config).stem
    threshold = gate.threshold if isinstance(gate, LearnedGate) else None

    def draw(rows: list[Row]) -> np.ndarray:
        tokens, dense_tokens = (np.mean([figures[key] for figures, *_ in rows]) for key in ('tokens', 'dense_tokens'))
        title = f'{name}: {tokens:.0f} of {dense_tokens:.0f} tokens, mean of {len(rows)} images'
        seen = sum((seen for *_, seen in rows), Counter())
        return draw_page([cells for _, cells, _ in rows], title, threshold, _legend(painter, seen))

    pages = Pages(args.picture, len(samples), args.per_picture, draw) if args.picture else None
    refuse_overwriting(args, *(pages.paths if pages else []))
    figures, cards, seen = [], [], Counter()
    for _, view in usable(progress(samples, 'scales'), viewer, samples.left_out, lambda sample: sample.name):
        cells, one, classes = painter(view), figures_of(view), view.classes()
        figures.append(one | ({} if model.segments else _classes(view, names)))
        seen.update(classes)
        if args.html:
            cards.append(Card.of(one, cells))
        if pages:
            pages.add((one, cells, classes))
    if pages:
        pages.flush()

    title, settings = f'Scales of {name}', about(args)
    if args.html and figures:
        write_report(args.html, title, cards, samples.left_out, settings, threshold, _legend(painter, seen))
    spreads = summarise(figures)
    if figures:
        _show(spreads, f'{title}, {len(figures)} images')
    write_json(args.out, dict(about=settings, summary=spreads, images=figures, left_out=samples.left_out))
    report_left_out(samples.left_out, len(figures))
    written = pages.written if pages else []
    drawn = [*written[:1], *(['...', written[-1]] if len(written) > 1 else []), *([args.html] if args.html else [])]
    say(f'drawn: {" ".join(map(str, drawn))}')


def _legend(painter: Painter, seen: Counter[int]) -> dict[str, tuple[int, int, int]]:
    if painter.palette is None:
        return {}
    return {painter.names[index]: tuple(painter.palette[index].tolist()) for index, _ in seen.most_common()}


def _classes(view: ScaleView, names: Sequence[str]) -> dict[str, Any]:
    """The classes of an image by name."""
    classes = dict(label=view.sample.label, prediction=view.mixed.labels, dense_prediction=view.dense.labels)
    return {what: names[int(index)] for what, index in classes.items() if index is not None}


def _show(spreads: dict[str, dict[str, float]], title: str) -> None:
    headings = dict(mean='mean', std='std', min='least', p5='5 %', median='median', p95='95 %', max='most')
    rows = []
    for name, spread in spreads.items():
        head, write = SUMMARY[name]
        rows.append({'head': head, **{key: write(spread[key]) for key in headings}})
    show_rows(rows, {'': '{head}', **{heading: f'{{{key}}}' for key, heading in headings.items()}}, title)
