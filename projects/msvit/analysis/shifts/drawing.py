"""Figure 14: an example under a few transforms, and the difference between both gates at every point."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..style import INK, dress, new_figure, save_figure
from .evaluate import Point
from .example import Example
from .transform import UNMOVED

GAIN = colormaps['RdBu']  # blue: the learned gate is better; the markers say so in greyscale
AREAS = (25.0, 230.0)  # square points, of the least and the largest ratio of MACs
KINDS = {1: ('^', 'learned gate better'), -1: ('v', 'fixed gate better'), 0: ('o', 'equal')}


def draw_shifts(points: Sequence[Point], examples: Sequence[Example], metric: str, path: Path, title: str = '') -> None:
    """Draw the examples above the scatter of the points.

    Args:
        points: see `evaluate_points`.
        examples: at least one, of one size.
        metric: name of the accuracy.
        path: of the PNG.
        title: above the examples.
    """
    height, width = examples[0].image.shape[:2]
    column = 8.4 / max(len(examples), 4)
    top = 3 * column * height / width + 1.1
    figure = new_figure(8.4, top + 4.2)
    above, below = figure.subfigures(2, 1, height_ratios=(top, 4.2))
    _draw_examples(above, examples, title)
    _draw_points(below.subplots(), points, metric)
    save_figure(figure, path)


def _draw_examples(figure: SubFigure, examples: Sequence[Example], title: str) -> None:
    grid = figure.subplots(3, len(examples), squeeze=False)
    for column, example in zip(grid.T, examples, strict=True):
        moved = example.transform
        name = 'unmoved' if moved == UNMOVED else f'zoom {moved.zoom:.2f}\nshift {moved.x:+.2f}, {moved.y:+.2f}'
        titles = name, *(f'{share:.0%} fine' for share in example.fine)
        for axes, picture, text in zip(column, (example.image, *example.scale_maps), titles, strict=True):
            axes.imshow(picture)
            axes.set_title(text, fontsize=9, color=INK)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(INK)
    for axes, name in zip(grid[:, 0], ('image', 'learned gate', 'fixed gate'), strict=True):
        axes.set_ylabel(name, color=INK)
    figure.suptitle(f'(a) {title}', x=0.01, ha='left', fontsize=10, color=INK)


def _draw_points(axes: Axes, points: Sequence[Point], metric: str) -> None:
    gains, costs = (np.array([getattr(point, name) for point in points]) for name in ('gain', 'cost'))
    limit = max(float(np.nanmax(np.abs(gains))), 0.1)
    colours = Normalize(-limit, limit)
    area = _area(float(costs.min()), float(costs.max()))
    dress(
        axes,
        'zoom (below 1 the scene shrinks, above 1 it is cut)',
        "shift of the scene's middle\n(share of the frame's side)",
        f'(b) {len(points)} transforms of all images',
    )
    shown = None
    for sign, (marker, _) in KINDS.items():
        group = [i for i in np.argsort(-costs) if np.sign(np.nan_to_num(gains[i])) == sign]  # small ones on top
        if not group:
            continue
        places = [(points[i].transform.zoom, points[i].transform.distance) for i in group]
        shown = axes.scatter(
            *zip(*places, strict=True),
            s=[area(costs[i]) for i in group],
            c=gains[group],
            marker=marker,
            cmap=GAIN,
            norm=colours,
            edgecolors=INK,
            linewidths=0.8,
            zorder=3,
        )
    _annotate_unmoved(axes, points)
    axes.set_xscale('log')
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.08, 0.12)
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.02)
    bar.set_label(f'{metric}, learned - fixed (points)', color=INK)
    bar.ax.tick_params(colors=INK)
    _add_legends(axes, area, np.unique(np.linspace(costs.min(), costs.max(), 3)), {int(np.sign(gain)) for gain in gains})


def _annotate_unmoved(axes: Axes, points: Sequence[Point]) -> None:
    for point in points:
        if point.transform == UNMOVED:
            place = dict(xytext=(11, -3), textcoords='offset points', fontsize=9, color=INK)
            axes.annotate('unmoved', (1, 0), **place)


def _area(low: float, high: float):
    """Ratio of MACs -> area of a marker in square points."""
    return lambda ratio: float(np.interp(ratio, (low, high), AREAS)) if high > low else float(np.mean(AREAS))


def _add_legends(axes: Axes, area, ratios: Sequence[float], signs: set[int]) -> None:
    style = dict(linestyle='none', markeredgecolor=INK, markerfacecolor='white')
    kinds = [
        Line2D([], [], marker=KINDS[sign][0], label=KINDS[sign][1], markersize=8, **style) for sign in KINDS if sign in signs
    ]
    sizes = [Line2D([], [], marker='o', label=f'{ratio:.2f}', markersize=area(ratio) ** 0.5, **style) for ratio in ratios]
    place = dict(frameon=False, fontsize=9, labelcolor=INK, loc='upper center')
    axes.add_artist(axes.legend(handles=kinds, bbox_to_anchor=(0.24, -0.17), ncols=len(kinds), **place))
    title = dict(title='MACs learned / fixed', title_fontsize=9)
    axes.legend(handles=sizes, bbox_to_anchor=(0.8, -0.15), ncols=len(sizes), **title, **place)
