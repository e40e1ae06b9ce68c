"""Where the multiply-accumulates of a model go, as a figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..style import COLOURS, HATCHES, INK, dress, new_figure, save_figure
from .model import PARTS, ModelMacs

BINS = 30


def draw_macs(dense: Sequence[ModelMacs], mixed: Sequence[ModelMacs], path: Path, title: str = '') -> None:
    """Draw the mean of each part, stacked, beside the spread of the total over images.

    Args:
        dense: of the images, every region fine.
        mixed: of the same images, as the gate decides.
        path: of the PNG.
        title: above the axes.
    """
    figure = new_figure(8.4, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    bottom = np.zeros(2)
    for part, colour, hatch in zip(PARTS, COLOURS, HATCHES, strict=False):
        means = np.array([np.mean([getattr(one, part) for one in group]) for group in (dense, mixed)])
        style = dict(color=colour, hatch=hatch, edgecolor='white', linewidth=0.5)
        left.bar(('dense', 'mixed'), means, 0.6, bottom, label=part, **style)
        bottom += means
    for x, total in enumerate(bottom):
        left.annotate(f'{total:.3g}', (x, total), (0, 3), textcoords='offset points', ha='center', color=INK)
    dress(left, '', 'GMACs per input, mean', title)
    handles, labels = left.get_legend_handles_labels()
    left.legend(handles[::-1], labels[::-1], frameon=False, loc='upper right', fontsize=9, labelcolor=INK)
    left.margins(y=0.12)

    totals, baseline = [one.total for one in mixed], np.mean([one.total for one in dense])
    right.hist(totals, min(BINS, max(5, len(totals) // 3)), color=COLOURS[0], edgecolor='white', linewidth=0.5, label='mixed')
    right.axvline(np.mean(totals), color=COLOURS[1], linestyle='--', label=f'mixed, mean {np.mean(totals):.3g}')
    right.axvline(baseline, color='black', label=f'dense, mean {baseline:.3g}')
    dress(right, 'GMACs per input', 'images')
    right.legend(frameon=False, fontsize=9, labelcolor=INK)
    save_figure(figure, path)
