"""Figure 15: masks over a data set, and the learned priors, as heat maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import seaborn as sns
from torch import Tensor

from .mask_statistics import MaskStatistics
from .style import HEAT, INK, new_figure, save_figure

MOST_NUMBERS = 8  # columns of regions, beyond which numbers would not fit
SIDE = 2.1  # inches of a column
Priors = tuple[Tensor, Tensor]
Map = tuple[str, Tensor] | None  # a title and a number for each region; None leaves a place white


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
    models = list(zip(names, statistics, strict=True))
    # by the label of their colour bar, its upper end and the maps
    rows: dict[str, tuple[float, list[Map]]] = {
        'mean of the masks\n(1 = fine)': (1.0, [(f'{name}\n{one.fine:.1%} fine', one.mean) for name, one in models]),
        'variance': (0.25, [(f'{one.image_dependence:.1%} by the image', one.variance) for _, one in models]),
        **{label: (1.0, maps) for label, maps in _prior_rows(names, priors).items()},
    }
    slimmest = max(one[1].shape[0] / one[1].shape[1] for _, maps in rows.values() for one in maps if one)
    across, down = (len(rows), 1) if len(names) == 1 else (len(names), len(rows))
    figure = new_figure(across * SIDE + (0.7 * across if down == 1 else 1.3), down * (SIDE * slimmest + 0.45))
    grid = figure.subplots(down, across, squeeze=False).reshape(len(rows), len(names))
    for line, (label, (most, maps)) in zip(grid, rows.items(), strict=True):
        for axes, one in zip(line, maps, strict=True):
            axes.set_axis_off()
            if one:
                title, values = one
                columns = values.shape[1]
                font = dict(fontsize=min(9, 46 / columns))
                numbers: dict[str, Any] = dict(annot=columns <= MOST_NUMBERS, fmt='.2f', annot_kws=font)
                sns.heatmap(values.numpy(), vmin=0, vmax=most, cmap=HEAT, square=True, cbar=False, ax=axes, **numbers)
                axes.set_title(title, fontsize=9, color=INK)
        shown = next(axes.collections[0] for axes in line if axes.collections)
        bar = figure.colorbar(shown, ax=line.tolist(), pad=0.02, fraction=0.05, aspect=15)
        bar.set_label(label, color=INK, fontsize=9)
        bar.ax.tick_params(colors=INK, labelsize=8)
    save_figure(figure, path)


def _prior_rows(names: Sequence[str], priors: Sequence[Priors | None]) -> dict[str, list[Map]]:
    """Initial above learned priors in the models' columns, or, where few models have any, all in one row."""

    def titled(title: str, prior: Tensor) -> Map:
        return f'{title}\nmean {prior.mean():.1%}', prior

    pairs = list(zip(names, priors, strict=True))
    having = [(name, pair) for name, pair in pairs if pair]
    if not having:
        return {}
    kinds = ('initial', 'learned')
    if 2 * len(having) <= len(names):
        maps = [titled(f'{name}, {kind}', one) for name, pair in having for kind, one in zip(kinds, pair, strict=True)]
        return {'prior mean': [*maps, *[None] * (len(names) - len(maps))]}
    return {
        f'{kind} prior mean': [titled(name, pair[stage]) if pair else None for name, pair in pairs]
        for stage, kind in enumerate(kinds)
    }
