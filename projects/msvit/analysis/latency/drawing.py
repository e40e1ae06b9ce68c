"""Latency as figures: against tokens, as Figure 10, and over real images."""

from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns

from ..style import COLOURS, INK, MARKERS, dress, new_figure, save_figure
from .timing import short

LABELS = dict(blocks='transformer blocks alone', backbone='with gate and embedding', model='whole model, with its head')
LEGEND: dict[str, Any] = dict(frameon=False, fontsize=9, labelcolor=INK)


def draw_tokens(times: pd.DataFrame, path: Path, title: str = '') -> None:
    """Draw time against tokens, one pair of axes for each batch size: medians, and bands from 25 to 75 % of the rounds.

    Args:
        times: see `time_runs`.
        path: of the PNG.
        title: above the first axes.
    """
    parts = [part for part in LABELS if part in set(times.part)]
    batches = list(times.groupby('batch', sort=False))
    style = dict(zip(parts, zip(COLOURS, MARKERS, strict=False), strict=False))
    colours, markers = ({part: pair[place] for part, pair in style.items()} for place in (0, 1))
    figure = new_figure(1.2 + 4.6 * len(batches), 4.2)
    panels = figure.subplots(1, len(batches), squeeze=False)[0]
    for axes, (batch, rows) in zip(panels, batches, strict=True):
        lines: dict[str, Any] = dict(
            hue='part', style='part', hue_order=parts[::-1], style_order=parts[::-1], palette=colours, markers=markers
        )
        mixed = rows[rows.number > 0]
        sns.lineplot(mixed, x='tokens', y='ms', estimator='median', errorbar=('pi', 50), ax=axes, **lines)
        for part, dense in rows[rows.number == 0].groupby('part'):
            hollow = dict(
                marker=markers[part], markersize=10, markeredgecolor='black', markerfacecolor='none', linestyle='none'
            )
            axes.plot(
                dense.tokens.iloc[0], dense.ms.median(), label='hollow: dense, no gate' if part == 'model' else None, **hollow
            )
        dress(axes, 'tokens per image', 'ms per image', title if axes is panels[0] else '')
        axes.set_title(f'batch of {batch}', loc='right', fontsize=9, color=INK)
        axes.set_ylim(bottom=0)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, [LABELS.get(label, label) for label in labels], loc='upper left', **LEGEND)
    save_figure(figure, path)


def draw_images(images: pd.DataFrame, path: Path, title: str = '') -> None:
    """Draw the time of every image against its tokens, dense and mixed, and the percentiles of both at the margins.

    Args:
        images: see `time_pairs`.
        path: of the PNG.
        title: above the axes.
    """
    kinds = {'dense': images.dense_tokens, 'mixed': images.tokens}
    shown = pd.concat([pd.DataFrame(dict(kind=kind, tokens=tokens, ms=1000 * images[kind])) for kind, tokens in kinds.items()])
    figure = new_figure(7.2, 5.2)
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 1), height_ratios=(1, 5))
    axes = figure.add_subplot(grid[1, 0])
    top, right = figure.add_subplot(grid[0, 0], sharex=axes), figure.add_subplot(grid[1, 1], sharey=axes)
    colours: dict[str, Any] = dict(hue='kind', palette={'dense': 'black', 'mixed': COLOURS[0]})
    sns.scatterplot(
        shown, x='tokens', y='ms', ax=axes, style='kind', markers={'dense': 'D', 'mixed': 'o'}, alpha=0.7, **colours
    )
    boxes: dict[str, Any] = dict(whis=(5, 95), showfliers=False, fill=False, width=0.5, legend=False, **colours)
    sns.boxplot(shown, x='tokens', y='kind', ax=top, **boxes)
    sns.boxplot(shown, x='kind', y='ms', ax=right, **boxes)
    dress(axes, 'tokens', 'ms per image')
    axes.set_ylim(bottom=0)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, [f'{kind}, median {short(1000 * images[kind].median())} ms' for kind in labels], **LEGEND)
    for margin in (top, right):
        margin.set(xlabel='', ylabel='')
        margin.tick_params(labelbottom=margin is right, labelleft=margin is top, length=0, colors=INK)
        margin.spines[:].set_visible(False)
    top.set_title(title, loc='left', fontsize=10, color=INK)
    corner = figure.add_subplot(grid[0, 1])
    corner.axis('off')
    corner.text(0, 0.5, 'line: 5 to 95 %\nbox: 25 to 75 %\nbar: median', fontsize=7.5, va='center', color=INK)
    save_figure(figure, path)
