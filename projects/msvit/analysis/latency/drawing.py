"""Latency as figures: against tokens, as Figure 10, and over real images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ..spread import Spread
from ..style import COLOURS, INK, LINES, MARKERS, dress, new_figure, save_figure
from .images import ImageLatency
from .timing import short
from .tokens import TokenLatency

LABELS = dict(blocks='transformer blocks alone', backbone='with gate and embedding', model='whole model, with its head')
LEGEND = dict(frameon=False, fontsize=9, labelcolor=INK)


def draw_tokens(groups: Sequence[tuple[TokenLatency, Sequence[TokenLatency]]], path: Path, title: str = '') -> None:
    """Draw time against tokens, one pair of axes for each batch size: medians, and the rounds of the whole model.

    Args:
        groups: dense and mixed of each batch size, see `time_tokens`.
        path: of the PNG.
        title: above the first axes.
    """
    figure = new_figure(1.2 + 4.6 * len(groups), 4.2)
    for number, (axes, (dense, mixed)) in enumerate(
        zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True)
    ):
        points = sorted(mixed, key=lambda point: point.tokens)
        tokens = [point.tokens for point in points]
        for part, colour, marker, line in zip(LABELS, COLOURS, MARKERS, LINES, strict=False):
            if part not in dense.seconds:
                continue
            low, middle, high = ([point.ms(part, name) for point in points] for name in ('p25', 'median', 'p75'))
            if part == 'model':  # three bands would hide each other
                axes.fill_between(tokens, low, high, color=colour, alpha=0.2, linewidth=0, label='25 to 75 % of its rounds')
            axes.plot(tokens, middle, color=colour, marker=marker, linestyle=line, label=LABELS[part])
            style = dict(marker=marker, markersize=10, markeredgecolor='black', markerfacecolor='none', linestyle='none')
            label = 'hollow: dense, no gate' if part == 'model' else None
            axes.plot(dense.tokens, dense.ms(part), label=label, **style)
        batch = f'batch of {dense.batch}'
        dress(axes, 'tokens per image', 'ms per image', '' if number else title)
        axes.set_title(batch, loc='right', fontsize=9, color=INK)
        axes.set_ylim(bottom=0)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc='upper left', **LEGEND)  # as the lines lie
    save_figure(figure, path)


def draw_images(images: Sequence[ImageLatency], path: Path, title: str = '') -> None:
    """Draw the time of every image against its tokens, dense and mixed, and the percentiles of both at the margins.

    Args:
        images: see `time_images`.
        path: of the PNG.
        title: above the axes.
    """
    figure = new_figure(7.2, 5.2)
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 1), height_ratios=(1, 5))
    axes = figure.add_subplot(grid[1, 0])
    top, right = figure.add_subplot(grid[0, 0], sharex=axes), figure.add_subplot(grid[1, 1], sharey=axes)
    kinds = dict(
        dense=(
            [(one.dense_tokens, 1000 * one.dense) for one in images],
            dict(facecolor='none', edgecolor='black', marker='D'),
        ),
        mixed=([(one.tokens, 1000 * one.mixed) for one in images], dict(color=COLOURS[0], marker='o', alpha=0.7, linewidth=0)),
    )
    for place, (kind, (points, style)) in enumerate(kinds.items()):
        tokens, ms = np.array(points).T
        axes.scatter(tokens, ms, s=26, label=f'{kind}, median {short(np.median(ms))} ms', **style)
        colour = 'black' if kind == 'dense' else COLOURS[0]
        axes.axhline(np.median(ms), color=colour, linewidth=0.8, linestyle=LINES[place])
        _mark_percentiles(top, Spread.of(tokens), place, colour, upright=False)
        _mark_percentiles(right, Spread.of(ms), place, colour, upright=True)
    dress(axes, 'tokens', 'ms per image')
    axes.set_ylim(bottom=0)
    axes.legend(loc='lower right', **LEGEND)
    top.set_yticks(range(len(kinds)), list(kinds), fontsize=9, color=INK)
    right.set_xticks(range(len(kinds)), list(kinds), fontsize=9, color=INK)
    top.set_title(title, loc='left', fontsize=10, color=INK)
    for margin in (top, right):
        margin.tick_params(labelbottom=margin is right, labelleft=margin is top, length=0)
        margin.spines[:].set_visible(False)
        margin.set_xlim(-0.6, 1.6) if margin is right else margin.set_ylim(-0.6, 1.6)
    corner = figure.add_subplot(grid[0, 1])
    corner.axis('off')
    corner.text(0, 0.5, 'line: 5 to 95 %\nbar: 25 to 75 %\ntick: median', fontsize=7.5, va='center', color=INK)
    save_figure(figure, path)


def _mark_percentiles(axes: Axes, spread: Spread, place: float, colour: str, upright: bool) -> None:
    """A thin line from 5 to 95 %, a thick one from 25 to 75 %, a tick at the median."""
    draw, cross = (axes.vlines, axes.hlines) if upright else (axes.hlines, axes.vlines)
    draw(place, spread.p5, spread.p95, color=colour, linewidth=1.2)
    draw(place, spread.p25, spread.p75, color=colour, linewidth=5, alpha=0.5)
    cross(spread.median, place - 0.3, place + 0.3, color=colour, linewidth=1.8)
