"""Where the multiply-accumulates of a model go, as a figure."""

from pathlib import Path

import pandas as pd
import seaborn as sns

from ..style import COLOURS, HATCHES, INK, dress, new_figure, save_figure
from .model import PARTS

BINS = 30


def draw_macs(dense: pd.DataFrame, mixed: pd.DataFrame, path: Path, title: str = '') -> None:
    """Draw the mean of each part, stacked, beside the spread of the total over images.

    Args:
        dense: of the images, every region fine; a row of `ModelMacs` for each.
        mixed: of the same images, as the gate decides.
        path: of the PNG.
        title: above the axes.
    """
    figure = new_figure(8.4, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    means = pd.DataFrame(dict(dense=dense.mean(), mixed=mixed.mean())).T
    means[list(PARTS)].plot.bar(stacked=True, color=COLOURS[: len(PARTS)], rot=0, width=0.6, ax=left, edgecolor='white')
    for bars, hatch in zip(left.containers, HATCHES, strict=False):
        for bar in bars:
            bar.set_hatch(hatch)
    for x, total in enumerate(means.total):
        left.annotate(f'{total:.3g}', (x, total), (0, 3), textcoords='offset points', ha='center', color=INK)
    dress(left, '', 'GMACs per input, mean', title)
    left.legend(reverse=True, frameon=False, loc='upper right', fontsize=9, labelcolor=INK)
    left.margins(y=0.12)

    bins = min(BINS, max(5, len(mixed) // 3))
    sns.histplot(x=mixed.total, bins=bins, color=COLOURS[0], alpha=1, edgecolor='white', label='mixed', ax=right)
    right.axvline(means.total['mixed'], color=COLOURS[1], linestyle='--', label=f'mixed, mean {means.total["mixed"]:.3g}')
    right.axvline(means.total['dense'], color='black', label=f'dense, mean {means.total["dense"]:.3g}')
    dress(right, 'GMACs per input', 'images')
    right.legend(frameon=False, fontsize=9, labelcolor=INK)
    save_figure(figure, path)
