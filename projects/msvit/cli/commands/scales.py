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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.table import Table

from ...analysis.classes import class_names, palette_of
from ...analysis.model import AnalysedModel
from ...analysis.scales import Card, Cell, Figures, Painter, ScaleView, ScaleViewer, draw_page, write_report
from ...analysis.scales.report import SUMMARY, summarise
from ...engine.launch import read_config
from ...gates import LearnedGate
from ..arguments import add_images, add_model, add_output, file_of, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, say, show, write_json
from ..pages import pages_of


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
    pages = pages_of(args.picture, len(samples), args.per_picture) if args.picture else []
    refuse_overwriting(args, *pages)
    names = class_names(model, args.checkpoint)
    painter = Painter(
        model, names, palette_of(model) if model.segments else None, 'dense model' if dense else 'same weights, all fine'
    )
    book = _Book(args, painter, pages)
    for sample in progress(samples, 'scales'):
        try:
            view = viewer(sample)
        except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch finds no memory
            samples.left_out.append(dict(file=sample.name, reason=str(error) or type(error).__name__))
            continue
        book.add(view)
    book.finish(samples.left_out)


class _Book:
    """Collects what is seen, and writes pictures as soon as they are full."""

    def __init__(self, args: Namespace, painter: Painter, pages: list[Path]):
        self.args, self.painter, self.pages = args, painter, pages
        gate = painter.model.backbone.gate
        self.threshold = gate.threshold if isinstance(gate, LearnedGate) else None
        self.figures: list[Figures] = []
        self.said: list[dict[str, str]] = []
        self.cards: list[Card] = []
        self.rows: list[dict[str, Cell]] = []
        self.written: list[Path] = []
        self.seen, self.seen_here = Counter(), Counter()

    def add(self, view: ScaleView) -> None:
        cells, figures = self.painter(view), Figures.of(view)
        self.figures.append(figures)
        self.said.append(_classes(view, self.painter.names) if self.painter.palette is None else {})
        self.seen.update(view.classes())
        self.seen_here.update(view.classes())
        if self.args.html:
            self.cards.append(Card.of(figures, cells))
        if self.pages:
            self.rows.append(cells)
            if len(self.rows) == self.args.per_picture:
                self._write_page()

    def finish(self, left_out: Sequence[dict[str, str]]) -> None:
        if self.rows:
            self._write_page()
        title, settings = f'Scales of {Path(self.args.config).stem}', about(self.args)
        if self.args.html and self.figures:
            write_report(self.args.html, title, self.cards, left_out, settings, self.threshold, self._legend(self.seen))
        spreads = summarise(self.figures)
        if self.figures:
            show(_table(spreads, f'{title}, {len(self.figures)} images'))
        images = [{**asdict(one), **said} for one, said in zip(self.figures, self.said, strict=True)]
        write_json(self.args.out, dict(about=settings, summary=spreads, images=images, left_out=left_out))
        report_left_out(left_out, len(self.figures))
        pages = [*self.written[:1], *(['...', self.written[-1]] if len(self.written) > 1 else [])]
        say(f'drawn: {" ".join(map(str, [*pages, *([self.args.html] if self.args.html else [])]))}')

    def _write_page(self) -> None:
        here = self.figures[-len(self.rows) :]
        tokens, dense = (np.mean([getattr(one, name) for one in here]) for name in ('tokens', 'dense_tokens'))
        title = f'{Path(self.args.config).stem}: {tokens:.0f} of {dense:.0f} tokens, mean of {len(here)} images'
        path = self.pages[len(self.written)]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_page(self.rows, title, self.threshold, self._legend(self.seen_here))).save(path)
        self.written.append(path)
        self.rows = []
        self.seen_here.clear()

    def _legend(self, seen: Counter[int]) -> dict[str, tuple[int, int, int]]:
        if self.painter.palette is None:
            return {}
        return {self.painter.names[index]: tuple(self.painter.palette[index].tolist()) for index, _ in seen.most_common()}


def _classes(view: ScaleView, names: Sequence[str]) -> dict[str, Any]:
    """The classes of an image by name."""
    known = {} if view.sample.label is None else dict(label=names[view.sample.label])
    return dict(prediction=names[view.mixed.labels], dense_prediction=names[view.dense.labels], **known)


def _table(spreads: dict[str, Any], title: str) -> Table:
    table = Table('', 'mean', 'std', 'least', '5 %', 'median', '95 %', 'most', title=title)
    for name, spread in spreads.items():
        head, write = SUMMARY[name]
        values = (spread.mean, spread.std, spread.min, spread.p5, spread.median, spread.p95, spread.max)
        table.add_row(head, *map(write, values))
    return table
