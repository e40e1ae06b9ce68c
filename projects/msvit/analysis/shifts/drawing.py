"""Figure 14: an example under a few transforms, and the difference between both gates at every point."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from torch import Tensor

from ...engine.run_gate import find_pixel_format
from ...scale_map import draw_scale_map, enlarge
from ..model import AnalysedModel
from ..samples import Sample
from ..style import INK, dress, legend_beside, new_figure, save_figure
from .transform import UNMOVED, Transform, move_images

KINDS = {1.0: 'learned gate better', -1.0: 'fixed gate better', 0.0: 'equal'}
MARKERS = dict(zip(KINDS.values(), '^vo', strict=True))


class Example(NamedTuple):
    """A moved image.

    Args:
        transform: that moved it.
        image: (H, W, 3) uint8 RGB.
        scale_maps: of the learned and of the fixed gate, (H, W, 3) uint8 RGB each.
        fine: their shares of fine regions, in [0, 1].
    """

    transform: Transform
    image: np.ndarray
    scale_maps: tuple[np.ndarray, ...]
    fine: tuple[float, ...]


def choose_examples(transforms: Sequence[Transform], number: int = 5) -> list[Transform]:
    """Choose the telling ones, each once: unmoved, the smallest, the farthest shift, the largest, then the first ones."""
    moved = [transform for transform in transforms if transform != UNMOVED]
    if not moved:
        return [UNMOVED]
    smallest, largest = (pick(moved, key=lambda transform: transform.zoom) for pick in (min, max))
    farthest = max(moved, key=lambda transform: transform.distance)
    return list(dict.fromkeys((UNMOVED, smallest, farthest, largest, *moved)))[:number]


@torch.inference_mode()
def show_example(
    learned: AnalysedModel, fixed: AnalysedModel, sample: Sample, transform: Transform, fill: Tensor | float = 0.0
) -> Example:
    """Move an image, and let both gates decide on the whole of it.

    Args:
        learned: with the learned gate; the sample is its input.
        fixed: with the fixed gate.
        sample: with the picture to show.
        transform: see there.
        fill: see `move_images`.
    """
    inputs = move_images(sample.inputs, transform, fill)
    image, maps, shares = _moved_picture(learned, sample, transform, fill), [], []
    for model in (learned, fixed):
        mask = model.backbone.decide(inputs).fine_mask[0].cpu().numpy()
        maps.append(draw_scale_map(image, mask, model.backbone.patch_size, model.backbone.coarse_patch_size))
        shares.append(float(mask.mean()))
    return Example(transform, enlarge(image), tuple(maps), tuple(shares))


def draw_shifts(points: pd.DataFrame, examples: Sequence[Example], metric: str, path: Path, title: str = '') -> None:
    """Draw the examples above the scatter of the points.

    Args:
        points: see `evaluate_shifts`.
        examples: at least one, of one size.
        metric: name of the accuracy.
        path: of the PNG.
        title: above the examples.
    """
    height, width = examples[0].image.shape[:2]
    top = 3 * 8.4 / max(len(examples), 4) * height / width + 1.1
    figure = new_figure(8.4, top + 4.2)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(top, 4.2))[:, 0]
    _draw_examples(above, examples, title)
    _draw_points(below.subplots(), points, metric)
    save_figure(figure, path)


def _draw_examples(figure: SubFigure, examples: Sequence[Example], title: str) -> None:
    grid = figure.subplots(3, len(examples), squeeze=False)
    for column, example in zip(grid.T, examples, strict=True):
        moved = example.transform
        name = 'unmoved' if moved == UNMOVED else f'zoom {moved.zoom:.2f}\nshift {moved.x:+.2f}, {moved.y:+.2f}'
        titles = name, *(f'{share:.0%} fine' for share in example.fine)
        for axes, picture, text in zip(column, (example.image, *example.scale_maps), titles, strict=True):
            axes.imshow(picture)
            axes.set_title(text, fontsize=9, color=INK)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(INK)
    for axes, name in zip(grid[:, 0], ('image', 'learned gate', 'fixed gate'), strict=True):
        axes.set_ylabel(name, color=INK)
    figure.suptitle(f'(a) {title}', x=0.01, ha='left', fontsize=10, color=INK)


def _draw_points(axes: Axes, points: pd.DataFrame, metric: str) -> None:
    gain, cost = f'{metric},\nlearned - fixed', 'MACs,\nlearned / fixed'
    shown = points.rename(columns={'gain': gain, 'macs_ratio': cost})
    shown[' '] = points.gain.fillna(0).apply(np.sign).map(KINDS)
    limit = max(float(points.gain.abs().max()), 0.1)
    # blue: the learned gate is better; the markers say so in greyscale
    colours: dict[str, Any] = dict(hue=gain, palette='RdBu', hue_norm=(-limit, limit))
    style: dict[str, Any] = dict(size=cost, sizes=(25, 230), style=' ', markers=MARKERS, edgecolor=INK, linewidth=0.8)
    sns.scatterplot(
        shown.sort_values(cost, ascending=False), x='zoom', y='distance', ax=axes, legend='brief', zorder=3, **colours, **style
    )
    dress(
        axes,
        'zoom (below 1 the scene shrinks, above 1 it is cut)',
        "shift of the scene's middle\n(share of the frame's side)",
        f'(b) {len(points)} transforms of all images',
    )
    if (points.distance == 0).any():
        axes.annotate('unmoved', (1, 0), xytext=(11, -3), textcoords='offset points', fontsize=9, color=INK)
    axes.set_xscale('log')
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.08, 0.12)
    legend_beside(axes)


def _moved_picture(model: AnalysedModel, sample: Sample, transform: Transform, fill: Tensor | float) -> np.ndarray:
    """The picture of what the network sees, padding included."""
    pixels = find_pixel_format(model.cfg)
    normalization = pixels.normalization if pixels else ((0.0,) * 3, (1.0,) * 3)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in normalization)
    picture = (torch.from_numpy(sample.image.copy()).permute(2, 0, 1).float() - mean) / std
    height, width = (wide - side for wide, side in zip(sample.inputs.shape[-2:], picture.shape[-2:], strict=True))
    fill = fill.cpu() if isinstance(fill, Tensor) else fill
    moved = move_images(F.pad(picture, (0, width, 0, height))[None], transform, fill)[0] * std + mean
    return moved.permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
