"""Accuracy against MACs, as in figure 11 of the paper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns

from ..style import COLOURS, INK, LINES, MARKERS, dress, legend_beside, new_figure, save_figure

BASELINE_MARKERS = ('*', 'X', 'p', 'h')
NAMES = {'accuracy/top1': 'top-1 accuracy (%)', 'accuracy/top5': 'top-5 accuracy (%)', 'mIoU': 'mIoU (%)'}


def draw(summaries: pd.DataFrame, metric: str, path: Path, title: str = '') -> None:
    """Draw one line for each pair of gate-loss weight (and variant) and input size, a point on it for each gate target.

    Colour and marker tell weights apart, dashes input sizes, the size of a marker the target, so that the picture reads in
    greyscale too. Bars are standard deviations over seeds. Unfinished places are left out.

    Args:
        summaries: see `summarise`.
        metric: its name.
        path: of the picture, which appears all at once.
        title: above the axes.
    """
    done = summaries[summaries.done > 0].reset_index(drop=True)
    shown = done.join(pd.DataFrame(list(done['values'])).rename(columns=dict(target='g*'))).reindex(
        columns=[*done, 'dense', 'variant', 'weight', 'g*', 'img_size']
    )
    shown['kind'] = [_label(values) for values in done['values']]
    shown['input'] = [f'{size} px' for size in shown.img_size]
    mixed, baselines = shown[shown.dense.isna()].sort_values('g*'), shown[shown.dense.notna()]

    figure = new_figure()
    axes = figure.add_subplot()
    bars: dict[str, Any] = dict(fmt='none', ecolor=INK, elinewidth=1, capsize=2, alpha=0.55, zorder=2)
    axes.errorbar(shown.gmacs, shown.metric, shown.metric_std.fillna(0), shown.gmacs_std.fillna(0), **bars)
    places: dict[str, Any] = dict(x='gmacs', y='metric', ax=axes)
    sizes = list(dict.fromkeys(shown.input))
    if len(mixed):
        kinds = list(dict.fromkeys(mixed.sort_index().kind))
        colours = {kind: COLOURS[number % len(COLOURS)] for number, kind in enumerate(kinds)}
        markers = {kind: MARKERS[number % len(MARKERS)] for number, kind in enumerate(kinds)}
        style: dict[str, Any] = dict(hue='kind', hue_order=kinds, palette=colours)
        dashes = {size: '' if line == '-' else line[1] for size, line in zip(sizes, LINES, strict=False)}
        one_size: dict[str, Any] = dict(style='input', dashes=dashes) if len(sizes) > 1 else {}
        sns.lineplot(mixed, **places, **style, **one_size, sort=False, estimator=None, legend=False)
        sizing: dict[str, Any] = dict(size='g*', sizes=(30, 110)) if mixed['g*'].nunique() > 1 else dict(s=60)
        sns.scatterplot(mixed, **places, **style, **sizing, style='kind', markers=markers, legend='full', zorder=3)
        if one_size:
            for size in sizes:
                axes.plot([], [], color=INK, dashes=dashes[size] or (None, None), label=size)
    names = list(dict.fromkeys(baselines.kind))
    for (name, size), group in baselines.groupby(['kind', 'input'], sort=False):
        marker = BASELINE_MARKERS[names.index(name) % len(BASELINE_MARKERS)]
        hollow: dict[str, Any] = dict(markerfacecolor='white') if sizes.index(size) % 2 else {}
        label = f'{name}, {size}' if len(sizes) > 1 else name
        axes.plot(group.gmacs, group.metric, marker, color='black', markersize=12, label=label, **hollow)
    dress(axes, 'GMACs per image (backbone, mean)', NAMES.get(metric, metric), title)
    axes.margins(0.07)
    finished, planned = summaries.done.sum(), summaries.planned.sum()
    if finished < planned:
        axes.set_title(f'{finished} of {planned} trainings finished', loc='right', fontsize=8.5, color=INK, style='italic')
    legend_beside(axes)
    save_figure(figure, path)


def _label(values: Mapping[str, Any]) -> str:
    parts = [f'dense: {values["dense"]}'] if 'dense' in values else []
    parts += [values['variant']] if 'variant' in values else []
    parts += [f'λ = {values["weight"]:g}'] if 'weight' in values else []
    return ', '.join(parts) or 'mixed-scale'
