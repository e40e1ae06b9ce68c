"""Accuracy against tokens for patches of several sizes, as in figures 16 and 17."""

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.ticker import NullLocator, ScalarFormatter

from ..style import COLOURS, dress, legend_beside, new_figure, save_figure


def draw_rescaled(scores: pd.DataFrame, path: Path, accuracy: str, title: str = '') -> None:
    """Draw a line for each patch size, by colour and width, and method, by its dashes; points above each other cost equally
    many tokens.

    Args:
        scores: see `evaluate_rescaled`.
        path: of the PNG.
        accuracy: what that is, with its unit; not drawn without labels.
        title: above the axes.
    """
    figures = dict(accuracy=accuracy, agreement='agrees with the untouched model (%)')
    figures = {column: name for column, name in figures.items() if scores[column].notna().all()}
    shown, own = scores.sort_values('patch_size', kind='stable'), scores[scores.own].iloc[:1]
    shown = shown.assign(patch=[f'patch of {size} px' for size in shown.patch_size])
    patches = shown.patch.nunique()
    figure = new_figure(4.4 * len(figures) + 1.9, 4.2)
    panels = figure.subplots(1, len(figures), squeeze=False)[0]
    for axes, (column, name) in zip(panels, figures.items(), strict=True):
        patch: dict[str, Any] = dict(hue='patch', size='patch', palette=list(islice(cycle(COLOURS), patches)), sizes=(2.5, 1))
        legend = 'full' if axes is panels[-1] else False
        sns.lineplot(shown, x='tokens', y=column, style='method', marker='o', ax=axes, legend=legend, **patch)
        axes.plot(own.tokens, own[column], '*', color='black', markersize=12, zorder=4, label='untouched' if legend else None)
        dress(axes, 'tokens of an image, mean', name, title if axes is panels[0] else '')
        axes.set_xscale('log')
        axes.set_xticks(_roomy(sorted(set(scores.tokens.round().astype(int)))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    legend_beside(panels[-1])
    save_figure(figure, path)


def _roomy(ticks: list[int]) -> list[int]:
    """As many of the ticks as leave each other room on a logarithmic axis."""
    kept: list[int] = []
    for tick in ticks:
        if not kept or tick > 1.25 * kept[-1]:
            kept.append(tick)
    return kept
