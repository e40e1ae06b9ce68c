"""Accuracy against tokens for patches of several sizes, as in figures 16 and 17."""

from collections.abc import Callable, Sequence
from math import isnan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, ScalarFormatter

from ..style import COLOURS, INK, LINES, MARKERS, dress, new_figure, save_figure
from .evaluate import Point, Score

Value = Callable[[Score], float]


def draw_rescaled(points: Sequence[Point], path: Path, accuracy: str, title: str = '') -> None:
    """Draw one line for each patch size, by colour and marker, and method, by its dashes; points above each other cost equally
    many tokens.

    Args:
        points: see `evaluate_rescaled`.
        path: of the PNG.
        accuracy: what that is, with its unit; not drawn without labels.
        title: above the axes.
    """
    values: dict[str, Value] = {'agrees with the untouched model (%)': lambda score: score.agreement}
    if not any(isnan(score.accuracy) for point in points for score in point.scores.values()):
        values = {accuracy: lambda score: score.accuracy, **values}
    patches = sorted({point.place.patch_size for point in points})
    methods = list(points[0].scores)

    figure = new_figure(4.4 * len(values) + 1.9, 4.2)
    panels = figure.subplots(1, len(values), squeeze=False)[0]
    for axes, (name, value) in zip(panels, values.items(), strict=True):
        for number, patch in enumerate(patches):
            mine = sorted((point for point in points if point.place.patch_size == patch), key=lambda point: point.tokens)
            _draw_lines(axes, mine, value, methods, dict(color=COLOURS[number % 6], marker=MARKERS[number % 6]))
        for own in (point for point in points if point.place.is_own):
            axes.plot(own.tokens, value(own.scores[methods[0]]), '*', color='black', markersize=12, zorder=4)
        dress(axes, 'tokens of an image, mean', name, title if axes is panels[0] else '')
        _log_ticks(axes, sorted({round(point.tokens) for point in points}))
    entries = [
        Line2D([], [], color=COLOURS[i % 6], marker=MARKERS[i % 6], linewidth=1.6, label=f'patch of {patch} px')
        for i, patch in enumerate(patches)
    ]
    entries.append(Line2D([], [], linestyle='none', label=' '))
    entries += [Line2D([], [], color=INK, linestyle=LINES[i % 4], label=name) for i, name in enumerate(methods)]
    entries.append(Line2D([], [], color='black', marker='*', markersize=10, linestyle='none', label='untouched'))
    figure.legend(handles=entries, loc='outside right center', frameon=False, fontsize=9, labelcolor=INK, handlelength=3.4)
    save_figure(figure, path)


def _draw_lines(axes: Axes, points: Sequence[Point], value: Value, methods: Sequence[str], style: dict[str, str]) -> None:
    drawn = []
    for number, method in enumerate(methods):
        heights = [value(point.scores[method]) for point in points]
        if heights not in drawn:  # at the own patch size methods may be the same
            tokens = [point.tokens for point in points]
            axes.plot(tokens, heights, linestyle=LINES[number % 4], linewidth=1.6, markersize=5, zorder=3, **style)
        drawn.append(heights)


def _log_ticks(axes: Axes, tokens: Sequence[int]) -> None:
    """Ticks at the tokens that there are, as far as they leave each other room."""
    axes.set_xscale('log')
    ticks: list[int] = []
    for count in tokens:
        if not ticks or count > 1.25 * ticks[-1]:
            ticks.append(count)
    axes.set_xticks(ticks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
