"""Segment images, and show at which scale each region was read.

  msvit segment CONFIG CHECKPOINT photos --out-dir segmented --out segmented/figures.json

For every image NAME four PNG files are written, in the folders that the images lie in:
  NAME_seg.png     class colours over the image, at its own size
  NAME_labels.png  class indices, at its own size
  NAME_scales.png  its coarse and fine tokens; small images are enlarged by a whole number, the zoom in the JSON file
  NAME_panel.png   image, scale map and segmentation side by side, to look at

Images longer than --max-side are segmented smaller, and their labels enlarged to the image's own size.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...analysis.samples import usable
from ...analysis.segment import ImageSegmenter, Segmentation
from ...images import images_in, read_rgb, resize
from ...scale_map import display_zoom, draw_scale_map, draw_segmentation, fit_to_display, panel
from ..arguments import add_model, add_output, load, positive, share
from ..output import about, progress, refuse_overwriting, report_left_out, show_rows, write_json

KINDS = ('seg', 'labels', 'scales', 'panel')
LeftOut = list[dict[str, str]]
Figures = dict[str, Any]  # of an image: tokens and GMACs as in `Cost`, ``fine_share`` in [0, 1] of its regions


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument('images', type=Path, help='an image, or a folder that is searched with all below it')
    parser.add_argument(
        '--max-side',
        type=positive,
        default=2048,
        metavar='PIXELS',
        help='longer images are shrunk to it before the test pipeline of the config (default: %(default)s)',
    )
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('--opacity', type=share, default=0.7, help='of the class colours, in [0, 1]; 1 hides the image')
    add_output(parser)


def run(args: Namespace) -> None:
    plan = plan_outputs(args.images, args.out_dir)
    refuse_overwriting(args, *(file for base in plan.values() for file in outputs_of(base).values()))
    segmenter = ImageSegmenter(load(args), args.max_side)
    figures, left_out = segment_all(segmenter, plan, args.opacity)
    if figures:
        _show(figures, len(left_out))
    settings = dict(config=args.config, checkpoint=args.checkpoint, threshold=args.threshold, budget=args.budget)
    results = dict(images=figures, summary=summarise(figures), left_out=left_out)
    write_json(args.out, dict(about=about(args), **settings, **results))
    report_left_out(left_out, len(figures))


def plan_outputs(images: Path, out_dir: Path) -> dict[Path, Path]:
    """Tell where the results of each image go: its path to the path that ``_seg.png`` and the others are appended to.

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


def write_pictures(image: np.ndarray, result: Segmentation, segmenter: ImageSegmenter, base: Path, opacity: float) -> None:
    """Write the four files of one image."""
    backbone = segmenter.model.backbone
    sizes = backbone.patch_size, backbone.coarse_patch_size, result.input_shape
    shown = fit_to_display(image)
    shown_labels = resize(result.labels, shown.shape[:2])
    pictures = {
        'image': shown,
        f'scales: {result.cost.tokens} of {result.cost.dense_tokens} tokens': draw_scale_map(shown, result.fine_mask, *sizes),
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


def segment_all(segmenter: ImageSegmenter, plan: dict[Path, Path], opacity: float) -> tuple[list[Figures], LeftOut]:
    """Segment all images of the plan; returns their figures, and file and reason of those that were left out."""
    figures, left_out = [], []

    def segment(path: Path) -> tuple[np.ndarray, Segmentation]:
        image = read_rgb(path)
        return image, segmenter(image)

    for path, (image, result) in usable(progress(plan, 'segment'), segment, left_out):
        write_pictures(image, result, segmenter, plan[path], opacity)
        figures.append(_figures(path, image, result))
    return figures, left_out


def _figures(path: Path, image: np.ndarray, result: Segmentation) -> Figures:
    height, width = image.shape[:2]
    about_image = dict(file=str(path), width=width, height=height, zoom=display_zoom(height, width))
    return {**about_image, **result.cost._asdict(), 'fine_share': float(result.fine_mask.mean()), 'note': result.note}


def summarise(figures: Sequence[Figures]) -> dict[str, float | None]:
    """Add up all images, and take the mean share of fine regions."""
    totals = {name: sum(one[name] for one in figures) for name in ('inputs', 'tokens', 'dense_tokens', 'gmacs')}
    mean_share = sum(one['fine_share'] for one in figures) / len(figures) if figures else None
    return {'images': len(figures), **totals, 'mean_fine_share': mean_share}


def _show(figures: Sequence[Figures], left_out: int) -> None:
    columns = {
        'image': '{file}',
        'size': '{size}',
        'tokens': '{tokens}',
        'all fine': '{dense_tokens}',
        'fine regions': '{fine_share:.0%}',
        'GMACs': '{gmacs:.3f}',
    }
    rows = [{**one, 'size': one['note'] or f'{one["width"]}x{one["height"]}'} for one in figures]
    total = summarise(figures)
    rows.append({**total, 'file': f'{len(figures)} images', 'size': '', 'fine_share': total['mean_fine_share']})
    show_rows(rows, columns, f'{len(figures)} images segmented, {left_out} left out')
