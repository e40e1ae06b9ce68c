"""Apply a trained gate to any images, without training on them, and draw what it decides: the paper's Figure 12.

python tools/visualization/transfer_gate.py gate_s32_in1k.safetensors data/ade/images --picture transfer.png

The gate comes from a file of export_gate.py, which tells how pixels were normalised in its training, or from a training
checkpoint with its config (--config). Images are resized to a shorter side of --size pixels, very long ones to a longer side
of four times that, whatever size the gate was trained at, and padded to whole regions. For each image the picture shows the
image, its scale map (where regions are small on the picture: coarse ones faded) and p_fine; many images are drawn on several
pictures, transfer_2.png and on.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from msvit.analysis.find_images import find_images
from msvit.analysis.read_image import read_rgb
from msvit.analysis.run_gate import read_run_gate
from msvit.analysis.transfer import apply_gate, draw_gated, sheet
from msvit.checkpoints import load_gate, read_gate_normalization
from msvit.cli.arguments import budget, positive, share
from msvit.engine.launch import load_config
from msvit.gates import MLPGate, Normalization

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


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('gate', help='file, address or msvit:// name of a gate, or of a checkpoint that holds one')
    parser.add_argument('images', type=Path, nargs='+', help='images, and folders that are searched with all below them')
    parser.add_argument('--picture', type=Path, metavar='FILE.png', required=True, help='picture to write')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the figures of the table to this file too')
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
    parser.add_argument('--overwrite', action='store_true', help='replace files that are there already')
    parser.set_defaults(cfg_options=None, launcher='none', local_rank=0, work_dir=None)
    args = parser.parse_args(argv)
    if args.out and args.out.suffix != '.json':
        parser.error(f'--out {args.out}: name a .json file')
    if args.picture.suffix != '.png':
        parser.error(f'--picture {args.picture}: name a .png file')
    return args


def read_gate(args: argparse.Namespace) -> tuple[MLPGate, Normalization]:
    """The gate that the command line names, with its settings, and the normalisation of its pixels.

    Raises:
        FileNotFoundError: there is no such checkpoint or config.
        ValueError: the normalisation is not to be found, or a file cannot be read.
    """
    given = Normalization.of(args.mean, args.std)
    if args.config:
        gate, pixels = read_run_gate(load_config(args), args.gate, given)
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


def number_of(picture: Path, number: int) -> Path:
    """The picture itself, and ``NAME_2.png`` and on for those that follow it."""
    return picture if number == 1 else picture.with_name(f'{picture.stem}_{number}.png')


def run(
    gate: MLPGate, pixels: Normalization, files: list[Path], size: int, patch_size: int, left_out: list[dict[str, str]]
) -> Iterator[tuple[Figures, np.ndarray]]:
    """Figures and panel of every image; appends file and reason of those that cannot be read."""
    for path in tqdm(files, desc='transfer', unit='image'):
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


def write_picture(panels: list[np.ndarray], path: Path, threshold: float) -> None:
    """Write panels, as a sheet of two columns where they are more than three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(panels, COLUMNS if len(panels) > 3 else 1, threshold)).save(path)


def summarise(figures: list[Figures]) -> dict[str, float | None]:
    """Mean, least and largest share of fine regions over the images."""
    shares = [one.fine_share for one in figures]
    if not shares:
        return dict(images=0, mean_fine_share=None, min_fine_share=None, max_fine_share=None)
    return dict(
        images=len(shares), mean_fine_share=float(np.mean(shares)), min_fine_share=min(shares), max_fine_share=max(shares)
    )


def print_report(figures: list[Figures], left_out: list[dict[str, str]], pictures: list[Path]) -> None:
    """The table, what was left out, and where the pictures are."""
    console, summary = Console(), summarise(figures)
    if figures:
        table = Table(show_footer=True)
        table.add_column('image', f'{len(figures)} images', overflow='fold')
        for name in ('size', 'input', 'regions'):
            table.add_column(name, justify='right')
        table.add_column('fine', f'mean {summary["mean_fine_share"]:.0%}', justify='right')
        table.add_column('mean p_fine', justify='right')
        for one in figures:
            sizes = f'{one.width}x{one.height}', f'{one.input_width}x{one.input_height}', str(one.regions)
            table.add_row(one.file, *sizes, f'{one.fine_share:.0%}', f'{one.mean_p_fine:.2f}')
        console.print(table)
    for one in left_out:
        reason = one['reason'] if one['file'] in one['reason'] else ': '.join(one.values())
        console.print(f'left out: {reason}', markup=False)
    written = f' ({", ".join(map(str, pictures))})' if pictures else ''
    console.print(f'{len(figures)} images drawn, {len(left_out)} left out{written}', markup=False)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        mine = {path.resolve() for path in (args.picture, *args.picture.parent.glob(f'{args.picture.stem}_*.png'))}
        files = find_images(args.images, leave_out=mine.__contains__)
        pages = [number_of(args.picture, number + 1) for number in range(-(-len(files) // args.per_picture))]
        there = [path for path in (*pages, *([args.out] if args.out else [])) if path.exists()]
        if there and not args.overwrite:
            raise FileExistsError(f'{there[0]} exists: give --overwrite to replace')
        gate, pixels = read_gate(args)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    figures, panels, left_out, written = [], [], [], []
    patch_size = args.patch_size or max(1, gate.coarse_patch_size // 2)
    for one, drawn in run(gate, pixels, files, args.size, patch_size, left_out):
        figures.append(one)
        panels.append(drawn)
        if len(panels) == args.per_picture:
            written.append(pages[len(written)])
            write_picture(panels, written[-1], gate.threshold)
            panels = []
    if panels:
        written.append(pages[len(written)])
        write_picture(panels, written[-1], gate.threshold)
    print_report(figures, left_out, written)
    if args.out:
        content = dict(gate=args.gate, config=args.config, size=args.size, coarse_patch_size=gate.coarse_patch_size)
        content |= dict(threshold=gate.threshold, budget=gate.budget, mean=pixels.mean, std=pixels.std)
        content |= dict(images=[asdict(one) for one in figures], summary=summarise(figures), left_out=left_out)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    if not figures:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
