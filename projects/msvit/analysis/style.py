"""How figures look: colours that colour-blind eyes tell apart, each with a marker, a line or a hatch for greyscale."""

from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..atomic_write import atomic_write

# Okabe and Ito's colours; black is left to the baselines, yellow is lost on white.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
MARKERS = ('o', 's', '^', 'D', 'v', 'P')
LINES = ('-', (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
HATCHES = ('', '///', '...', 'xxx', '\\\\\\', '++')
INK, PALE = '#333333', '#DDDDDD'
# Lightness grows evenly, so that it reads in greyscale; for p_fine, masks, priors.
HEAT = colormaps['inferno']


def new_figure(width: float = 6.4, height: float = 4.4) -> Figure:
    """An empty figure, sides in inches."""
    return Figure(figsize=(width, height), dpi=200, layout='constrained')


def dress(axes: Axes, x: str, y: str, title: str = '') -> None:
    """Name the axes, with units, and give them a quiet grid."""
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.set_title(title, loc='left', fontsize=10, color=INK)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(INK)
    axes.tick_params(colors=INK)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG so that whoever reads it finds all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        figure.savefig(part, format='png', bbox_inches='tight', pad_inches=0.15)


def legend_beside(axes: Axes) -> None:
    """Set the legend of the axes at their right."""
    handles, labels = axes.get_legend_handles_labels()
    place: dict[str, Any] = dict(loc='center left', bbox_to_anchor=(1.01, 0.5), frameon=False)
    axes.legend(handles, labels, fontsize=9, labelcolor=INK, handlelength=3.2, **place)
