"""The pictures of one image: itself, its scale map, p_fine, the predictions and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...backbones.gated import GatedBackbone
from ...images import resize
from ...scale_map import draw_segmentation
from ..model import AnalysedModel
from ..style import COLOURS, INK, PALE
from ..transfer import draw_scales, heat_map
from .naming import write_names
from .view import IGNORED, Prediction, ScaleView

TILE = (288, 384)  # pixels, height and width that each picture must fit into
BARS_WIDTH, TOP = 240, 3  # pixels; classes of a classifier that are shown
OPACITY = 0.55  # of class colours: the image shall be seen too
TRUE, QUIET = COLOURS[2], '#666666'


class Cell(NamedTuple):
    """A picture with the words below it.

    Args:
        picture: (H, W, 3) uint8 RGB.
        words: a line each.
        photo: whether it has the detail of a photograph.
    """

    picture: np.ndarray
    words: Sequence[str] = ()
    photo: bool = True


class PatchSizes(NamedTuple):
    """Sides of a fine patch and of a region, in pixels of the network's input."""

    patch_size: int
    coarse_patch_size: int


def gate_cells(
    backbone: GatedBackbone | PatchSizes,
    image: np.ndarray,
    p_fine: np.ndarray,
    fine_mask: np.ndarray,
    about: Sequence[str],
    cost: Sequence[str] = (),
) -> dict[str, Cell]:
    """Tell what a gate makes of an image: the image, its scale map and p_fine, by the titles of their columns.

    Args:
        backbone: of the gate, or its patch sizes.
        image: (H, W, 3) uint8 RGB, as the network sees it.
        p_fine: (Hc, Wc) in [0, 1].
        fine_mask: (Hc, Wc) bool.
        about: words below the image.
        cost: words below the scale map, above the number of fine regions.
    """
    height, width = image.shape[:2]
    scale = min(TILE[0] / height, TILE[1] / width)
    shape = max(1, round(scale * height)), max(1, round(scale * width))
    shown = resize(image, shape)
    scales = draw_scales(shown, fine_mask, (height, width), backbone.coarse_patch_size, backbone.patch_size)
    heat = heat_map(p_fine, (height, width), backbone.coarse_patch_size, shape)
    return {
        'image': Cell(shown, about),
        'scale map': Cell(resize(scales, shape), (*cost, f'{int(fine_mask.sum())} of {fine_mask.size} regions fine')),
        'p_fine': Cell(heat, (f'mean {p_fine.mean():.2f}', f'from {p_fine.min():.2f} to {p_fine.max():.2f}'), photo=False),
    }


@dataclass(frozen=True)
class Painter:
    """Draws what `ScaleViewer` saw.

    Args:
        model: the mixed-scale one.
        names: of its classes.
        palette: (classes, 3) uint8 RGB of a segmentor; None of a classifier.
        dense: what the dense prediction is called.
    """

    model: AnalysedModel
    names: Sequence[str]
    palette: np.ndarray | None
    dense: str

    def __call__(self, view: ScaleView) -> dict[str, Cell]:
        """The cells of one image by the titles of their columns."""
        mixed, dense = view.mixed.cost, view.dense.cost
        tokens = f'{mixed.tokens} of {mixed.dense_tokens} tokens' + (f', {mixed.inputs} windows' if mixed.inputs > 1 else '')
        about = plain_name(view.sample.name), *self._about_image(view)
        cells = gate_cells(self.model.backbone, view.sample.image, view.p_fine, view.fine_mask, about, (tokens,))
        shown = cells['image'].picture
        cells |= {
            'mixed scale': self._prediction(view, view.mixed, shown, macs(mixed.gmacs)),
            self.dense: self._prediction(view, view.dense, shown, f'{macs(dense.gmacs)}, {self._agreement(view)}'),
        }
        if self.palette is not None and isinstance(view.sample.label, np.ndarray):
            known = float(np.mean(view.sample.label != IGNORED))
            words = () if known == 1 else (f'{percent(known)} of pixels labelled',)
            cells['ground truth'] = Cell(self._segmentation(shown, view.sample.label, self.palette), words)
        return cells

    def _about_image(self, view: ScaleView) -> tuple[str, ...]:
        height, width = view.sample.image.shape[:2]
        truth = (self.names[view.sample.label],) if isinstance(view.sample.label, int) else ()
        return (view.sample.note or f'{width}x{height} pixels', *truth)

    def _agreement(self, view: ScaleView) -> str:
        if self.palette is not None:
            return f'{percent(view.agreement)} equal'
        return 'same class' if view.agreement else 'another class'

    def _prediction(self, view: ScaleView, prediction: Prediction, shown: np.ndarray, cost: str) -> Cell:
        if self.palette is None:
            truth = view.sample.label if isinstance(view.sample.label, int) else None
            return Cell(draw_bars(prediction.said, self.names, truth), (cost,), photo=False)
        accuracy = view.accuracy(prediction)
        words = (cost,) if accuracy is None else (cost, f'{percent(accuracy)} of pixels right')
        return Cell(self._segmentation(shown, prediction.said, self.palette), words)

    def _segmentation(self, shown: np.ndarray, labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
        labels = resize(labels, shown.shape[:2])
        return write_names(draw_segmentation(shown, labels, palette, IGNORED, OPACITY), labels, self.names)


def draw_bars(probabilities: np.ndarray, names: Sequence[str], truth: int | None = None) -> np.ndarray:
    """The most likely classes with their probabilities; the true one, if it is among them, is said to be so.

    Args:
        probabilities: (classes,) in [0, 1].
        names: of the classes.
        truth: index of the true class.

    Returns:
        (H, 240, 3) uint8 RGB.
    """
    font, step = ImageFont.load_default(14), 52
    best: list[int] = np.argsort(-probabilities, kind='stable')[:TOP].tolist()
    picture = Image.new('RGB', (BARS_WIDTH, step * len(best)), 'white')
    pen = ImageDraw.Draw(picture)
    for y, index in zip(range(0, picture.height, step), best, strict=True):
        value = float(probabilities[index])
        name = elided(names[index], font, BARS_WIDTH - 60 - (50 if index == truth else 0))
        pen.text((0, y + 16), name + (', true' if index == truth else ''), fill=INK, font=font, anchor='ls')
        pen.text((BARS_WIDTH - 1, y + 16), percent(value), fill=INK, font=font, anchor='rs')
        pen.rectangle((0, y + 22, BARS_WIDTH - 1, y + 36), fill=PALE)
        pen.rectangle(
            (0, y + 22, max(1, round(value * (BARS_WIDTH - 1))), y + 36), fill=TRUE if index == truth else COLOURS[0]
        )
    return np.asarray(picture)


def percent(share: float) -> str:
    """A share in [0, 1] as text that says 100 % and 0 % only where it is so."""
    return f'{100 * share:.0f}%' if share in (0, 1) else f'{min(max(100 * share, 0.1), 99.9):.1f}%'


def macs(giga: float) -> str:
    """Multiply-accumulates as text."""
    return f'{giga:.3g} GMACs' if giga >= 0.1 else f'{1000 * giga:.3g} MMACs'


def plain_name(name: str) -> str:
    """Tell what a `Sample` is called: its file without the folder, odd bytes replaced, or its number in the data set."""
    return f'number {name}' if name.isdigit() else Path(name).name.encode('utf-8', 'replace').decode()


def elided(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """A text that fits into so many pixels, its middle left out if need be."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f'{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}'
        if font.getlength(short) <= width:
            return short
    return text[:1]
