"""Time and memory of training steps as bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..latency import short
from ..style import COLOURS, HATCHES, INK, dress, new_figure, save_figure
from .steps import StepCost


def draw_costs(costs: Mapping[str, StepCost], path: Path, title: str = '') -> None:
    """Draw time and peak memory of each way to train, relative to the first.

    Args:
        costs: by the way's name, the baseline first.
        path: of the PNG.
        title: above the axes.
    """
    figure = new_figure(7.6, 4.2)
    axes = figure.subplots()
    base, width = next(iter(costs.values())), 0.8 / len(costs)
    for number, (name, cost) in enumerate(costs.items()):
        ratios = cost.seconds['median'] / base.seconds['median'], cost.peak_bytes / base.peak_bytes
        places = [group + (number - (len(costs) - 1) / 2) * width for group in range(2)]
        colour, hatch = ('#777777', '') if number == 0 else (COLOURS[number - 1], HATCHES[number])
        style: dict[str, Any] = dict(color=colour, hatch=hatch, edgecolor='white', linewidth=0.5)
        bars = axes.bar(places, ratios, width * 0.92, label=f'{name}, {cost.tokens:.0f} tokens', **style)
        values = f'{short(1000 * cost.seconds["median"])} ms', f'{short(cost.peak_bytes / 1e6)} MB'
        labels = [f'{ratio:.2f}x\n{value}' for ratio, value in zip(ratios, values, strict=True)]
        box = dict(facecolor='white', edgecolor='none', pad=0.5)  # the line at 1 stops at a value
        axes.bar_label(bars, labels, padding=3, fontsize=8.5, color=INK, bbox=box, zorder=3)
    axes.axhline(1, color=INK, linewidth=0.8, linestyle='--')
    dress(axes, '', f'relative to {next(iter(costs))}', title)
    axes.set_xticks(range(2), ['time of a step, median', 'peak memory of a step'])
    axes.grid(visible=False, axis='x')
    axes.margins(y=0.15)
    axes.legend(frameon=False, loc='upper center', bbox_to_anchor=(0.5, -0.1), ncols=len(costs), fontsize=9, labelcolor=INK)
    save_figure(figure, path)
