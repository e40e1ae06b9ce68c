"""Figure 15: masks over a data set, and the learned priors, as heat maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from torch import Tensor

from .mask_statistics import MaskStatistics
from .style import HEAT, INK, new_figure, save_figure

MOST_NUMBERS = 8  # columns of regions, beyond which numbers would not fit
SIDE = 2.1  # inches of a column
Priors = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _Row:
    """Maps with one colour bar; None leaves a place white.

    Args:
        label: of the bar, which runs from 0 to ``most``.
        titles: of the maps.
    """

    label: str
    most: float
    maps: list[Tensor | None]
    titles: list[str]


def draw_masks(
    names: Sequence[str], statistics: Sequence[MaskStatistics], priors: Sequence[Priors | None], path: Path
) -> None:
    """Draw one column for each model, mean above variance, and below them the priors of the models that have any; a single
    model's maps stand side by side.

    Args:
        names: of the models.
        statistics: of their masks.
        priors: before and after training, see `learned_priors`.
        path: of the PNG.
    """
    fine = [f'{name}\n{one.fine:.1%} fine' for name, one in zip(names, statistics, strict=True)]
    by_image = [f'{one.image_dependence:.1%} by the image' for one in statistics]
    rows = [
        _Row('mean of the masks\n(1 = fine)', 1.0, [one.mean for one in statistics], fine),
        _Row('variance', 0.25, [one.variance for one in statistics], by_image),
        *_prior_rows(names, priors),
    ]
    slimmest = max(one.shape[0] / one.shape[1] for row in rows for one in row.maps if one is not None)
    across, down = (len(rows), 1) if len(names) == 1 else (len(names), len(rows))
    figure = new_figure(across * SIDE + (0.7 * across if down == 1 else 1.3), down * (SIDE * slimmest + 0.45))
    grid = figure.subplots(down, across, squeeze=False).reshape(len(rows), len(names))
    for line, row in zip(grid, rows, strict=True):
        shown = None
        for axes, values, title in zip(line, row.maps, row.titles, strict=True):
            axes.set_axis_off()
            if values is not None:
                shown = _draw_map(axes, values, row.most, title)
        bar = figure.colorbar(shown, ax=line.tolist(), pad=0.02, fraction=0.05, aspect=15)
        bar.set_label(row.label, color=INK, fontsize=9)
        bar.ax.tick_params(colors=INK, labelsize=8)
    save_figure(figure, path)


def _prior_rows(names: Sequence[str], priors: Sequence[Priors | None]) -> list[_Row]:
    """Initial above learned priors in the models' columns, or, where few models have any, all in one row."""
    pairs = [(name, *pair) for name, pair in zip(names, priors, strict=True) if pair]
    if not pairs:
        return []
    if 2 * len(pairs) <= len(names):
        spare = [None] * (len(names) - 2 * len(pairs))
        maps = [one for _, *pair in pairs for one in pair] + spare
        kinds = [f'{name}, {when}' for name, *_ in pairs for when in ('initial', 'learned')] + spare
        rows = [('prior mean', maps, kinds)]
    else:
        initial, learned = ([pair and pair[stage] for pair in priors] for stage in (0, 1))
        rows = [('initial prior mean', initial, names), ('learned prior mean', learned, names)]
    return [
        _Row(
            label,
            1.0,
            maps,
            [f'{kind}\nmean {one.mean():.1%}' if one is not None else '' for kind, one in zip(kinds, maps, strict=True)],
        )
        for label, maps, kinds in rows
    ]


def _draw_map(axes: Axes, values: Tensor, most: float, title: str) -> AxesImage:
    """One number for each region, from 0 to ``most``."""
    scale, columns = Normalize(0, most), values.shape[1]
    image = axes.imshow(values.numpy(), cmap=HEAT, norm=scale)
    axes.set_title(title, fontsize=9, color=INK)
    if columns <= MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(values.numpy()):
            ink = 'black' if scale(value) > 0.6 else 'white'
            place = dict(ha='center', va='center', fontsize=min(9, 46 / columns))
            axes.text(column, row, f'{value:.2f}', color=ink, **place)
    return image
