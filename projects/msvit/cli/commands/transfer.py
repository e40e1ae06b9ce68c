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
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.samples import usable
from ...analysis.scales.cells import Cell, PatchSizes, gate_cells, plain_name
from ...analysis.scales.page import draw_page
from ...analysis.transfer import GatedImage, apply_gate
from ...checkpoints import load_gate, read_gate_normalization
from ...engine.launch import read_config
from ...engine.run_gate import read_run_gate
from ...gates import LearnedGate, Normalization
from ...images import find_images, read_rgb
from ..arguments import add_output, budget, positive, share
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json
from ..pages import Pages, own_pages

Figures = dict[str, Any]  # of an image: its size and that of the input in pixels, and what the gate said


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
    gate, pixels = read_gate(args)

    def draw(rows: list[dict[str, Cell]]) -> np.ndarray:
        return draw_page(rows, f'Regions that the gate makes fine, {len(rows)} images', gate.threshold)

    pages = Pages(args.picture, len(files), args.per_picture, draw)
    refuse_overwriting(args, *pages.paths[1:])
    left_out: list[dict[str, str]] = []
    figures, sizes = [], PatchSizes(args.patch_size or max(1, gate.coarse_patch_size // 2), gate.coarse_patch_size)
    for one, cells in gate_all(gate, pixels, files, args.size, sizes, left_out):
        figures.append(one)
        pages.add(cells)
    pages.flush()
    if figures:
        _show(figures, len(left_out))
    settings = dict(gate=args.gate, config=args.config, size=args.size, coarse_patch_size=gate.coarse_patch_size)
    settings |= dict(threshold=gate.threshold, budget=gate.budget, mean=pixels.mean, std=pixels.std)
    results = dict(images=figures, summary=summarise(figures), left_out=left_out)
    write_json(args.out, dict(about=about(args), **settings, **results))
    report_left_out(left_out, len(figures))
    say(f'drawn: {" ".join(map(str, pages.written))}')


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
    gate: LearnedGate, pixels: Normalization, files: list[Path], size: int, sizes: PatchSizes, left_out: list[dict[str, str]]
) -> Iterator[tuple[Figures, dict[str, Cell]]]:
    """Figures and pictures of every image; appends file and reason of those that cannot be read."""

    def decide(path: Path) -> tuple[np.ndarray, GatedImage]:
        image = read_rgb(path)
        return image, apply_gate(gate, pixels, image, size)

    for path, (image, gated) in usable(progress(files, 'transfer'), decide, left_out):
        mask, (height, width), (input_height, input_width) = gated.fine_mask, image.shape[:2], gated.image.shape[:2]
        shape = dict(width=width, height=height, input_width=input_width, input_height=input_height)
        decided = dict(regions=mask.size, fine_regions=int(mask.sum()), fine_share=float(mask.mean()))
        about_image = (plain_name(str(path)), f'{width}x{height} pixels')
        cells = gate_cells(sizes, gated.image, gated.p_fine, mask, about_image)
        yield dict(file=str(path), **shape, **decided, mean_p_fine=float(gated.p_fine.mean())), cells


def summarise(figures: Sequence[Figures]) -> dict[str, float | None]:
    """Take mean, least and largest share of fine regions over the images."""
    shares = [one['fine_share'] for one in figures]
    mean, least, most = (float(np.mean(shares)), min(shares), max(shares)) if shares else (None, None, None)
    return dict(images=len(shares), mean_fine_share=mean, min_fine_share=least, max_fine_share=most)


def _show(figures: Sequence[Figures], left_out: int) -> None:
    columns = {
        'image': '{file}',
        'size': '{width}x{height}',
        'input': '{input_width}x{input_height}',
        'regions': '{regions}',
        'fine': '{fine_share:.0%}',
        'mean p_fine': '{mean_p_fine:.2f}',
    }
    show_rows(figures, columns, f'{len(figures)} images drawn, {left_out} left out')
    say(f'{len(figures)} images, mean {summarise(figures)["mean_fine_share"]:.0%} fine')
