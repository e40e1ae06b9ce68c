"""Drift and accuracy against cost, as a figure."""

from collections.abc import Callable
from pathlib import Path

from ..style import COLOURS, INK, LINES, MARKERS, dress, new_figure, save_figure
from .compare import DENSE, Comparison, Result


def draw_peers(comparison: Comparison, path: Path, feature: str, title: str = '') -> None:
    """Draw a line for each method through its operating points: against MACs, and against time.

    Args:
        comparison: of peers.
        path: of the PNG.
        feature: whose drift was measured, in words.
        title: above the axes.
    """
    results = comparison.results
    columns: dict[str, Callable[[Result], float]] = {
        'GMACs of an image, mean': lambda result: result.mean('gmacs'),
        **{
            'ms of an image' + (f', batch of {size}' if size > 1 else ' alone'): lambda result, size=size: (
                1e3 * result.seconds[size]
            )
            for size in sorted(results[0].seconds)
        },
    }
    rows: dict[str, Callable[[Result], float]] = {
        f'drift of the {feature}:\nrelative L2': lambda result: result.mean('distances')
    }
    if all(result.right for result in results):
        rows['top-1 accuracy (%)'] = lambda result: 100 * result.mean('right')
    elif all(result.agrees for result in results):
        rows['agrees with dense (%)'] = lambda result: 100 * result.mean('agrees')
    methods = list(dict.fromkeys(result.method for result in results if result.method != DENSE))

    figure = new_figure(3.6 * len(columns) + 1.8, 3.5 * len(rows))
    panels = figure.subplots(len(rows), len(columns), squeeze=False, sharex='col', sharey='row')
    for line, (height, y) in enumerate(rows.items()):
        for column, (cost, x) in enumerate(columns.items()):
            axes = panels[line, column]
            for number, method in enumerate(methods):
                mine = sorted((result for result in results if result.method == method), key=lambda result: result.point)
                style = dict(color=COLOURS[number % 6], marker=MARKERS[number % 6], linestyle=LINES[number % 4])
                axes.plot([x(one) for one in mine], [y(one) for one in mine], label=method, linewidth=1.6, zorder=3, **style)
            dense = next(result for result in results if result.method == DENSE)
            axes.plot(x(dense), y(dense), '*', color='black', markersize=12, label=DENSE, zorder=4)
            last = line == len(rows) - 1
            dress(axes, cost if last else '', '' if column else height, '' if line or column else title)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside right center', frameon=False, fontsize=9, labelcolor=INK, handlelength=3.4)
    save_figure(figure, path)
