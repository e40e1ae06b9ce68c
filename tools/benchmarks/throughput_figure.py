"""Draw images per second by batch size from the figures of `msvit speed --groups throughput`.

python tools/benchmarks/throughput_figure.py docs/gpu_h200.json --out docs/gpu_h200.png
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, ScalarFormatter

from msvit.analysis.style import COLOURS, INK, LINES, MARKERS, dress, new_figure, save_figure

PANELS = {
    'MSViT-S': ("timm's ViT-S", 'ViT-S'),
    'MSSeg-S': ("mmseg's Segmenter-S", 'Seg-S'),
}  # the library's and the dense twin


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('figures', type=Path, help='JSON file')
    parser.add_argument('--size', type=int, default=512, help='image side in pixels (default: %(default)s)')
    parser.add_argument('--out', type=Path, required=True, help='PNG file')
    args = parser.parse_args(arguments)
    rows = json.loads(args.figures.read_text(encoding='utf-8'))['rows']
    figure = new_figure(9.6, 3.8)
    for axes, (model, others) in zip(figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True):
        draw(
            axes,
            [row for row in rows if row['name'].startswith(f'{model}, {args.size} px') and 'ragged' not in row['name']],
            *others,
        )
        dress(axes, 'batch', 'images per second', f'{model}, {args.size} px')
    save_figure(figure, args.out)


def draw(axes: Axes, rows: Sequence[dict[str, Any]], library: str, dense: str) -> None:
    """Draw the fastest way of a mixed-scale model and of its dense twin, and the library's model.

    Args:
        axes: where.
        rows: of one model and image size.
        library: baseline of the rows against a library.
        dense: how the baseline of the others begins.
    """
    ours, twin, theirs = {}, {}, {}
    for row in rows:
        batch, (mine, other) = row['batch'], row['images_per_second']
        ours[batch] = max(mine, ours.get(batch, 0))
        if row['baseline'].startswith(f'{dense} on'):
            twin[batch] = max(other, twin.get(batch, 0))
        elif row['baseline'] == library:
            theirs[batch] = other
    lines = {
        'mixed-scale': (ours, COLOURS[0]),
        f'{dense}, the same blocks': (twin, COLOURS[1]),
        f'{library}, as it comes': (theirs, INK),
    }
    for number, (label, (rates, colour)) in enumerate(lines.items()):
        axes.plot(rates.keys(), rates.values(), color=colour, linestyle=LINES[number], marker=MARKERS[number], label=label)
    axes.set_xscale('log', base=2)
    axes.set_yscale('log')
    axes.set_xticks(list(ours))
    axes.set_yticks([100, 300, 1000, 3000, 10_000])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)


if __name__ == '__main__':
    main()
