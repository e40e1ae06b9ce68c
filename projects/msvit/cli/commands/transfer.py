"""Apply a trained gate to any images, without training on them, and draw what it decides: the paper's Figure 12.

  msvit transfer gate_s32_in1k.safetensors data/ade/images --picture transfer.png

The gate comes from a file of export_gate.py, which tells how pixels were normalised in its training, or from a training
checkpoint with its config (--config). Images are resized to a shorter side of --size pixels, very long ones to a longer side
of four times that, whatever size the gate was trained at, and padded to whole regions. For each image the picture shows the
image, its scale map (where regions are small on the picture: coarse ones faded) and p_fine; many images are drawn on several
pictures, transfer_2.png and on.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.markup import escape
from rich.table import Table

from ...analysis.transfer import apply_gate, draw_gated, sheet
from ...checkpoints import load_gate, read_gate_normalization
from ...engine.launch import read_config
from ...engine.run_gate import read_run_gate
from ...gates import LearnedGate, Normalization
from ...images import find_images, read_rgb
from ..arguments import add_output, budget, positive, share
from ..output import about, progress, refuse_overwriting, report_left_out, say, show, write_json
from ..pages import own_pages, pages_of

TILE = (330, 440)  # pixels, height and width that each picture must fit into
COLUMNS = 2


@dataclass(frozen=True)
class Figures:
    """What is written about one image: its size and that of the input in pixels, and what the gate said."""

    file: str
    width: int
    height: int
    input_width: int
    input_height: int
    regions: int
    fine_regions: int
    fine_share: float
    mean_p_fine: float


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('gate', help='file, address or msvit:// name of a gate, or of a checkpoint that holds one')
    parser.add_argument('images', type=Path, nargs='+', help='images, and folders that are searched with all below them')
    parser.add_argument('--size', type=positive, default=512, help='shorter side of the input (default: %(default)s)')
    parser.add_argument('--threshold', type=share, metavar='T', help='fine where the gate says more than this, in [0, 1]')
    parser.add_argument(
        '--budget', type=budget, metavar='B', help='most fine regions of an image: a number (40) or a share (0.25)'
    )
    parser.add_argument('--config', help='config of the training, for a training checkpoint: normalisation and settings')
    parser.add_argument('--mean', type=float, nargs='+', help='of the pixels in training, 0..255, where no file tells it')
    parser.add_argument('--std', type=float, nargs='+', help='of the pixels in training, 0..255, where no file tells it')
    parser.add_argument('--patch-size', type=positive, help='of the fine tokens to draw (default: half a region)')
    parser.add_argument('--per-picture', type=positive, default=12, help='images on one picture (default: %(default)s)')
    add_output(parser, picture='picture to write', required=True)


def run(args: Namespace) -> None:
    files = find_images(args.images, leave_out=own_pages(args.picture))
    pages = pages_of(args.picture, len(files), args.per_picture)
    refuse_overwriting(args, *pages[1:])
    gate, pixels = read_gate(args)
    left_out: list[dict[str, str]] = []
    figures, panels, written = [], [], []
    patch_size = args.patch_size or max(1, gate.coarse_patch_size // 2)
    for one, drawn in gate_all(gate, pixels, files, args.size, patch_size, left_out):
        figures.append(one)
        panels.append(drawn)
        if len(panels) == args.per_picture:
            written.append(write_picture(panels, pages[len(written)], gate.threshold))
            panels = []
    if panels:
        written.append(write_picture(panels, pages[len(written)], gate.threshold))
    if figures:
        show(_table(figures, len(left_out)))
    settings = dict(gate=args.gate, config=args.config, size=args.size, coarse_patch_size=gate.coarse_patch_size)
    settings |= dict(threshold=gate.threshold, budget=gate.budget, mean=pixels.mean, std=pixels.std)
    results = dict(images=[asdict(one) for one in figures], summary=summarise(figures), left_out=left_out)
    write_json(args.out, dict(about=about(args), **settings, **results))
    report_left_out(left_out, len(figures))
    say(f'drawn: {" ".join(map(str, written))}')


def read_gate(args: Namespace) -> tuple[LearnedGate, Normalization]:
    """The gate that the command line names, with its settings, and the normalisation of its pixels.

    Raises:
        FileNotFoundError: there is no such checkpoint or config.
        ValueError: the normalisation is not to be found, or a file cannot be read.
    """
    given = Normalization.of(args.mean, args.std)
    if args.config:
        gate, pixels = read_run_gate(read_config(args.config), args.gate, given)
    else:
        gate, pixels = load_gate(args.gate), given or read_gate_normalization(args.gate)
    if pixels is None:
        raise ValueError(
            f'{args.gate} does not tell how pixels were normalised when its gate was trained: give the config of the training '
            'with --config, or --mean and --std, or a file of tools/model_converters/export_gate.py'
        )
    if len(pixels.mean) != gate.in_channels or gate.in_channels != 3:
        raise ValueError(f'the gate reads {gate.in_channels} channels, mean and std have {len(pixels.mean)}; 3 are needed')
    gate.threshold = gate.threshold if args.threshold is None else args.threshold
    gate.budget = gate.budget if args.budget is None else args.budget
    return gate, pixels


def gate_all(
    gate: LearnedGate, pixels: Normalization, files: list[Path], size: int, patch_size: int, left_out: list[dict[str, str]]
) -> Iterator[tuple[Figures, np.ndarray]]:
    """Figures and panel of every image; appends file and reason of those that cannot be read."""
    for path in progress(files, 'transfer'):
        try:
            image = read_rgb(path)
            gated = apply_gate(gate, pixels, image, size)
        except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch finds no memory
            left_out.append(dict(file=str(path), reason=str(error) or type(error).__name__))
            continue
        mask = gated.fine_mask
        shapes = (*image.shape[1::-1], *gated.image.shape[1::-1])
        counts = (mask.size, int(mask.sum()), float(mask.mean()), float(gated.p_fine.mean()))
        yield Figures(str(path), *shapes, *counts), draw_gated(gated, gate.coarse_patch_size, patch_size, path.name, TILE)


def write_picture(panels: list[np.ndarray], path: Path, threshold: float) -> Path:
    """Write panels, as a sheet of two columns where they are more than three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(panels, COLUMNS if len(panels) > 3 else 1, threshold)).save(path)
    return path


def summarise(figures: Sequence[Figures]) -> dict[str, float | None]:
    """Mean, least and largest share of fine regions over the images."""
    shares = [one.fine_share for one in figures]
    if not shares:
        return dict(images=0, mean_fine_share=None, min_fine_share=None, max_fine_share=None)
    return dict(
        images=len(shares), mean_fine_share=float(np.mean(shares)), min_fine_share=min(shares), max_fine_share=max(shares)
    )


def _table(figures: Sequence[Figures], left_out: int) -> Table:
    table = Table(show_footer=True, title=f'{len(figures)} images drawn, {left_out} left out')
    table.add_column('image', f'{len(figures)} images', overflow='fold')
    for name in ('size', 'input', 'regions'):
        table.add_column(name, justify='right')
    table.add_column('fine', f'mean {summarise(figures)["mean_fine_share"]:.0%}', justify='right')
    table.add_column('mean p_fine', justify='right')
    for one in figures:
        sizes = f'{one.width}x{one.height}', f'{one.input_width}x{one.input_height}', str(one.regions)
        table.add_row(escape(one.file), *sizes, f'{one.fine_share:.0%}', f'{one.mean_p_fine:.2f}')
    return table
