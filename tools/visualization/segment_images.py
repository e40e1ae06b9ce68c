"""Segments images, and shows at which scale each region was read.

python tools/visualization/segment_images.py CONFIG CHECKPOINT photos --out-dir segmented --out segmented/figures.json

For every image NAME four PNG files are written, in the folders that the images lie in:
  NAME_seg.png     class colours over the image, at its own size
  NAME_labels.png  class indices, at its own size
  NAME_scales.png  its coarse and fine tokens; small images are enlarged by a whole number, the zoom in the JSON file
  NAME_panel.png   image, scale map and segmentation side by side, to look at
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.device import get_device
from PIL import Image
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from msvit.analysis.find_images import images_in
from msvit.analysis.read_image import read_rgb
from msvit.analysis.scale_map import display_zoom, draw_scale_map, draw_segmentation, fit_to_display, panel, resize
from msvit.analysis.segment import ImageSegmenter, Segmentation
from msvit.cli.arguments import budget, share
from msvit.engine.launch import load_config

KINDS = ('seg', 'labels', 'scales', 'panel')


@dataclass(frozen=True)
class Figures:
    """What is written about one image; tokens and GMACs as in `Segmentation`, ``fine_share`` in [0, 1] of its regions."""

    file: str
    width: int
    height: int
    zoom: int
    inputs: int
    tokens: int
    dense_tokens: int
    fine_share: float
    gmacs: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint of the trained model')
    parser.add_argument('images', type=Path, help='an image, or a folder that is searched with all below it')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the figures of the table to this file too')
    parser.add_argument('--threshold', type=share, metavar='T', help='fine where the gate says more than this, in [0, 1]')
    parser.add_argument(
        '--budget', type=budget, metavar='B', help='most fine regions of an input: a number (40) or a share (0.25)'
    )
    parser.add_argument('--opacity', type=share, default=0.7, help='of the class colours, in [0, 1]; 1 hides the image')
    parser.add_argument('--device', default=get_device(), help='cpu, cuda, cuda:1... (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace files that are there already')
    parser.set_defaults(cfg_options=None, launcher='none', local_rank=0, work_dir=None)
    args = parser.parse_args(argv)
    if args.out and args.out.suffix != '.json':
        parser.error(f'--out {args.out}: name a .json file')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: torch sees no GPU here')
    return args


def plan_outputs(images: Path, out_dir: Path) -> dict[Path, Path]:
    """Where the results of each image go: its path to the path that ``_seg.png`` and the others are appended to.

    Images of one name but different suffixes keep the suffix. What lies in ``out_dir`` is no input.

    Raises:
        FileNotFoundError: there is no such file or folder, or no image in it.
        ValueError: results would lie among the images, or two images would share one name.
    """
    if images.is_file():
        return {images: out_dir / images.stem}
    if not images.is_dir():
        raise FileNotFoundError(f'there is no image or folder {images}')
    if out_dir.resolve() == images.resolve():
        raise ValueError(f'--out-dir {out_dir} is the folder of the images: name another one')
    files = images_in(images, leave_out=lambda path: path.is_relative_to(out_dir.resolve()))
    stems = [path.with_suffix('') for path in files]
    plan = {
        path: out_dir / (path if stems.count(stem) > 1 else stem).relative_to(images)
        for path, stem in zip(files, stems, strict=True)
    }
    if len(set(plan.values())) < len(plan):
        raise ValueError(f'two images in {images} would get results of one name: rename those like a.png beside a.png.jpg')
    return plan


def outputs_of(base: Path) -> dict[str, Path]:
    """The files of one image by kind."""
    return {kind: base.with_name(f'{base.name}_{kind}.png') for kind in KINDS}


def refuse_overwriting(files: list[Path]) -> None:
    """Raise FileExistsError if one of the files is there."""
    there = [file for file in files if file.exists()]
    if there:
        raise FileExistsError(
            f'{there[0]} exists' + (f', and {len(there) - 1} more' if len(there) > 1 else '') + ': give --overwrite to replace'
        )


def write_pictures(image: np.ndarray, result: Segmentation, segmenter: ImageSegmenter, base: Path, opacity: float) -> None:
    """Write the four files of one image."""
    sizes = segmenter.backbone.patch_size, segmenter.backbone.coarse_patch_size, result.input_shape
    shown = fit_to_display(image)
    shown_labels = resize(result.labels, shown.shape[:2])
    pictures = {
        'image': shown,
        f'scales: {result.tokens} of {result.dense_tokens} tokens': draw_scale_map(shown, result.fine_mask, *sizes),
        'segmentation': draw_segmentation(shown, shown_labels, segmenter.palette, opacity=opacity),
    }
    label_type = np.uint8 if len(segmenter.palette) <= 256 else np.uint16
    drawn = {
        'seg': draw_segmentation(image, result.labels, segmenter.palette, ignore_index=-1, opacity=opacity),
        'labels': result.labels.astype(label_type),
        'scales': draw_scale_map(image, result.fine_mask, *sizes),
        'panel': panel(list(pictures.values()), list(pictures)),
    }
    base.parent.mkdir(parents=True, exist_ok=True)
    for kind, file in outputs_of(base).items():
        Image.fromarray(drawn[kind]).save(file)


def segment_all(
    segmenter: ImageSegmenter, plan: dict[Path, Path], opacity: float
) -> tuple[list[Figures], list[dict[str, str]]]:
    """Segment all images of the plan; returns their figures, and file and reason of those that were left out."""
    figures, left_out = [], []
    for path, base in tqdm(plan.items(), desc='segment', unit='image'):
        try:
            image = read_rgb(path)
            result = segmenter(image)
        except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch finds no memory for a huge image
            left_out.append(dict(file=str(path), reason=str(error) or type(error).__name__))
            continue
        write_pictures(image, result, segmenter, base, opacity)
        height, width = image.shape[:2]
        share = float(result.fine_mask.mean())
        cost = (result.inputs, result.tokens, result.dense_tokens, share, result.gmacs)
        figures.append(Figures(str(path), width, height, display_zoom(height, width), *cost))
    return figures, left_out


def summarise(figures: list[Figures]) -> dict[str, float]:
    """Totals over all images, and the mean share of fine regions."""
    totals = {name: sum(getattr(one, name) for one in figures) for name in ('inputs', 'tokens', 'dense_tokens', 'gmacs')}
    mean_share = sum(one.fine_share for one in figures) / len(figures) if figures else None
    return {'images': len(figures), **totals, 'mean_fine_share': mean_share}


def print_report(figures: list[Figures], left_out: list[dict[str, str]]) -> None:
    """The table, and what was left out."""
    console, summary = Console(), summarise(figures)
    if figures:
        table = Table(show_footer=True)
        table.add_column('image', f'{len(figures)} images', overflow='fold')
        table.add_column('size', justify='right')
        table.add_column('tokens', str(summary['tokens']), justify='right')
        table.add_column('all fine', str(summary['dense_tokens']), justify='right')
        table.add_column('fine regions', f'mean {summary["mean_fine_share"]:.0%}', justify='right')
        table.add_column('GMACs', f'{summary["gmacs"]:.3f}', justify='right')
        for one in figures:
            size = f'{one.width}x{one.height}'
            counts = str(one.tokens), str(one.dense_tokens), f'{one.fine_share:.0%}', f'{one.gmacs:.3f}'
            table.add_row(one.file, size, *counts)
        console.print(table)
    for one in left_out:
        console.print(f'left out: {one["reason"] if one["file"] in one["reason"] else ": ".join(one.values())}', markup=False)
    console.print(f'{len(figures)} images segmented, {len(left_out)} left out')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        plan = plan_outputs(args.images, args.out_dir)
        if not args.overwrite:
            refuse_overwriting([file for base in plan.values() for file in outputs_of(base).values()])
            refuse_overwriting([args.out] if args.out else [])
        segmenter = ImageSegmenter(load_config(args), args.checkpoint, args.device, args.threshold, args.budget)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    figures, left_out = segment_all(segmenter, plan, args.opacity)
    print_report(figures, left_out)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        content = dict(config=args.config, checkpoint=args.checkpoint, threshold=args.threshold, budget=args.budget)
        content |= dict(images=[asdict(one) for one in figures], summary=summarise(figures), left_out=left_out)
        args.out.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    if not figures:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
