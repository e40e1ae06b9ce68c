"""Accuracy against MACs, as in figure 11 of the paper."""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..style import COLOURS, INK, LINES, MARKERS, dress, save_figure
from .results import Summary

BASELINE_MARKERS = ('*', 'X', 'p', 'h')
MARKER_SIZES = (5.5, 10.5)  # points, of the least and the largest g*
NAMES = {'accuracy/top1': 'top-1 accuracy (%)', 'accuracy/top5': 'top-5 accuracy (%)', 'mIoU': 'mIoU (%)'}


def draw(summaries: Sequence[Summary], metric: str, path: Path, title: str = '') -> None:
    """Draw one line for each pair of gate-loss weight and input size (and variant), a point on it for each gate target.

    Colour and marker tell weights apart, the line and the filling of its markers input sizes, the size of a marker the
    target, so that the picture reads in greyscale too. Bars are standard deviations over seeds. Unfinished places are left
    out.

    Args:
        summaries: see `summarise`.
        metric: its name.
        path: of the picture, which appears all at once.
        title: above the axes.
    """
    drawn = [summary for summary in summaries if summary.done]
    mixed = [summary for summary in drawn if 'dense' not in summary.values]
    baselines = [summary for summary in drawn if 'dense' in summary.values]
    sizes = _distinct(summary.values.get('img_size') for summary in summaries)

    figure = Figure(figsize=(6.4, 4.4), dpi=200)
    axes = figure.add_subplot()
    blocks = _draw_lines(axes, mixed, sizes), _draw_baselines(axes, baselines, sizes), _target_entries(mixed)
    dress(axes, 'GMACs per image (backbone, mean)', NAMES.get(metric, metric), title)
    axes.margins(0.07)
    done, planned = (sum(getattr(summary, key) for summary in summaries) for key in ('done', 'planned'))
    if done < planned:
        axes.set_title(f'{done} of {planned} trainings finished', loc='right', fontsize=8.5, color=INK, style='italic')
    gap = Line2D([], [], linestyle='none', label=' ')
    entries = [entry for block in blocks if block for entry in (gap, *block)][1:]
    place = dict(loc='center left', bbox_to_anchor=(1.01, 0.5), frameon=False)
    axes.legend(handles=entries, fontsize=9, labelcolor=INK, handlelength=3.2, **place)
    save_figure(figure, path)


def _draw_lines(axes: Axes, summaries: list[Summary], sizes: list) -> list[Line2D]:
    """One line for each weight (and variant) and input size; its entry of the legend each."""
    kinds = _distinct(_kind(summary) for summary in summaries)
    targets = _targets(summaries)
    entries = []
    for kind, size in _distinct((_kind(summary), summary.values.get('img_size')) for summary in summaries):
        points = [point for point in summaries if _kind(point) == kind and point.values.get('img_size') == size]
        points.sort(key=lambda point: point.values.get('target', 0))
        number = kinds.index(kind)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        line = dict(color=colour, linestyle=LINES[sizes.index(size) % len(LINES)], linewidth=1.6)
        style = _filling(colour, sizes.index(size)) | dict(marker=marker)
        axes.plot([point.gmacs for point in points], [point.metric for point in points], zorder=3, **line)
        for point in points:
            _draw_point(axes, point, markersize=_marker_size(point.values.get('target'), targets), **style)
        entries.append(Line2D([], [], markersize=7, label=_label(points[0], sizes), **(line | style)))
    return entries


def _draw_baselines(axes: Axes, summaries: list[Summary], sizes: list) -> list[Line2D]:
    """One marker for each dense model and input size; its entry of the legend each."""
    names = _distinct(summary.values['dense'] for summary in summaries)
    entries = []
    for summary in summaries:
        style = _filling('black', sizes.index(summary.values.get('img_size')), rim='black')
        style['marker'] = BASELINE_MARKERS[names.index(summary.values['dense']) % len(BASELINE_MARKERS)]
        _draw_point(axes, summary, markersize=13, **style)
        entries.append(Line2D([], [], linestyle='none', markersize=11, label=_label(summary, sizes), **style))
    return entries


def _draw_point(axes: Axes, point: Summary, **style: Any) -> None:
    """A marker over its bars."""
    axes.errorbar(
        point.gmacs,
        point.metric,
        xerr=point.gmacs_std or None,
        yerr=point.metric_std or None,
        **dict(fmt='none', ecolor=style['color'], elinewidth=1, capsize=2, alpha=0.55, zorder=2),
    )
    # small markers over large ones
    axes.plot(point.gmacs, point.metric, linestyle='none', zorder=4 - style['markersize'] / 100, **style)


def _target_entries(summaries: list[Summary]) -> list[Line2D]:
    """Tell what the sizes of the markers mean."""
    targets = _targets(summaries)
    style = dict(linestyle='none', marker='o', color='#999999', markeredgecolor='white', markeredgewidth=0.6)
    return [Line2D([], [], markersize=_marker_size(g, targets), label=f'g* = {g:g}', **style) for g in targets]


def _marker_size(target: float | None, targets: list[float]) -> float:
    """Points, growing with the rank of g*; half-way where there is but one."""
    rank = targets.index(target) / (len(targets) - 1) if len(targets) > 1 and target is not None else 0.5
    return MARKER_SIZES[0] + rank * (MARKER_SIZES[1] - MARKER_SIZES[0])


def _targets(summaries: list[Summary]) -> list[float]:
    return sorted({summary.values['target'] for summary in summaries if 'target' in summary.values})


def _filling(colour: str, size_number: int, rim: str = 'white') -> dict[str, Any]:
    """Filled or hollow; a white rim parts filled markers that overlap."""
    if size_number % 2:
        return dict(color=colour, markerfacecolor='white', markeredgecolor=colour, markeredgewidth=1.5)
    return dict(color=colour, markerfacecolor=colour, markeredgecolor=rim, markeredgewidth=0.8)


def _kind(summary: Summary) -> tuple[Hashable, ...]:
    return summary.values.get('variant'), summary.values.get('weight')


def _label(summary: Summary, sizes: list) -> str:
    values = summary.values
    parts = [f'dense: {values["dense"]}'] if 'dense' in values else []
    parts += [values['variant']] if 'variant' in values else []
    parts += [f'λ = {values["weight"]:g}'] if 'weight' in values else []
    parts += [f'{values["img_size"]} px'] if 'img_size' in values and len(sizes) > 1 else []
    return ', '.join(parts) or 'mixed-scale'


def _distinct(items: Iterable[Hashable]) -> list:
    return list(dict.fromkeys(items))
