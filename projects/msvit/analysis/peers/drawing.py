"""Drift and accuracy against cost, as a figure."""

from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns

from ..style import COLOURS, MARKERS, dress, legend_beside, new_figure, save_figure
from .compare import DENSE


def draw_peers(results: pd.DataFrame, path: Path, feature: str, title: str = '') -> None:
    """Draw a line for each method through its operating points: against MACs, and against time.

    Args:
        results: see `Comparison`.
        path: of the PNG.
        feature: whose drift was measured, in words.
        title: above the axes.
    """
    sizes = sorted(results.seconds.iloc[0])
    costs: dict[str, Any] = {'GMACs of an image, mean': results.gmacs}
    for size in sizes:
        name = 'ms of an image' + (f', batch of {size}' if size > 1 else ' alone')
        costs[name] = [1e3 * seconds[size] for seconds in results.seconds]
    drifts = {f'drift of the {feature}:\nrelative L2': results.distances}
    if results.right.notna().all():
        drifts['top-1 accuracy (%)'] = 100 * results.right
    elif results.agrees.notna().all():
        drifts['agrees with dense (%)'] = 100 * results.agrees
    table = results.assign(**costs, **drifts)
    peers, dense = table[table.method != DENSE], table[table.method == DENSE]
    kinds = peers.method.nunique()
    style: dict[str, Any] = dict(hue='method', style='method', palette=COLOURS[:kinds], markers=list(MARKERS[:kinds]))
    style |= dict(markersize=7, sort=False, estimator=None)

    figure = new_figure(3.6 * len(costs) + 1.8, 3.5 * len(drifts))
    panels = figure.subplots(len(drifts), len(costs), squeeze=False, sharex='col', sharey='row')
    for line, (row, drift) in enumerate(zip(panels, drifts, strict=True)):
        for axes, cost in zip(row, costs, strict=True):
            beside = axes is panels[0, -1]
            sns.lineplot(peers, x=cost, y=drift, ax=axes, legend='full' if beside else False, **style)
            axes.plot(dense[cost], dense[drift], '*', color='black', markersize=12, label=DENSE if beside else None)
            first = axes is panels[0, 0]
            dress(axes, cost if line == len(drifts) - 1 else '', drift if axes is row[0] else '', title if first else '')
    legend_beside(panels[0, -1])
    save_figure(figure, path)
