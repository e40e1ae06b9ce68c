"""Pictures of a conversion: what the gate decides, and accuracy against MACs."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..analysis.classes import class_names, palette_of
from ..analysis.model import AnalysedModel
from ..analysis.samples import Sample
from ..analysis.scales.cells import Cell, Painter, gate_cells
from ..analysis.scales.page import draw_page
from ..analysis.scales.view import ScaleViewer
from ..analysis.style import COLOURS, INK, dress, new_figure, save_figure
from .measuring import Reached, learned_gate
from .sweep import TOLERANCE, Setting


def draw_scales(mixed: AnalysedModel, dense: AnalysedModel, checkpoint: str, samples: Sequence[Sample], path: Path) -> None:
    """Draw images as `msvit scales` does: scale map, p_fine and both predictions, a row each; of detectors no predictions.

    Args:
        mixed: the mixed-scale model.
        dense: what it was made from.
        checkpoint: of the dense model, which may name the classes.
        samples: of ``mixed``.
        path: of the picture.
    """
    if mixed.detects:
        rows = [_decisions(mixed, sample) for sample in samples]
        page = draw_page(rows, f'Regions that the gate makes fine, {len(rows)} images', learned_gate(mixed).threshold)
        Image.fromarray(page).save(path)
        return
    viewer = ScaleViewer(mixed, dense)
    palette = palette_of(mixed) if mixed.segments else None
    painter = Painter(mixed, class_names(mixed, checkpoint), palette, 'dense model')
    views = [viewer(sample) for sample in samples]
    seen = sum((view.classes() for view in views), Counter())
    legend = {}
    if palette is not None:
        legend = {painter.names[index]: tuple(palette[index].tolist()) for index, _ in seen.most_common()}
    tokens, of = (sum(getattr(view.mixed.cost, name) for view in views) / len(views) for name in ('tokens', 'dense_tokens'))
    title = f'{tokens:.0f} of {of:.0f} tokens, mean of {len(views)} images'
    page = draw_page([painter(view) for view in views], title, learned_gate(mixed).threshold, legend)
    Image.fromarray(page).save(path)


def _decisions(mixed: AnalysedModel, sample: Sample) -> dict[str, Cell]:
    image = sample.image
    p_fine, fine_mask = mixed.decide(sample.inputs, image.shape[:2])
    about = f'number {sample.name}', f'{image.shape[1]}x{image.shape[0]} pixels'
    return gate_cells(mixed.backbone, image, p_fine, fine_mask, about)


def draw_curve(
    settings: Sequence[Setting], dense: Reached, best: Setting | None, wanted: float, metric: str, path: Path
) -> None:
    """Draw the score against MACs, with the dense model and the recommended setting.

    Args:
        settings: in any order.
        dense: what the dense model reaches.
        best: the recommended one of the settings; None: there is none.
        wanted: the score that it comes near.
        metric: what the score is called.
        path: of the picture.
    """
    figure = new_figure()
    axes = figure.add_subplot()
    settings = sorted(settings, key=lambda one: one.reached.gmacs)
    gmacs, scores = ([getattr(one.reached, name) for one in settings] for name in ('gmacs', 'score'))
    axes.plot(gmacs, scores, color=COLOURS[0], marker='o', markersize=5, label='mixed scale, by threshold')
    for one in settings:
        at = (one.reached.gmacs, one.reached.score)
        axes.annotate(f'{one.share:.0%}', at, (4, -10), textcoords='offset points', fontsize=7, color=INK)
    axes.plot(dense.gmacs, dense.score, color='black', marker='*', markersize=11, linestyle='none', label='dense')
    if best:
        ring: dict[str, Any] = dict(marker='o', markersize=12, markerfacecolor='none', markeredgecolor=COLOURS[1])
        label = f'recommended: threshold {best.threshold:g}'
        axes.plot(best.reached.gmacs, best.reached.score, linestyle='none', label=label, **ring)
    axes.axhline(wanted - TOLERANCE, color=INK, linewidth=0.8, linestyle=':', label=f'{wanted:.2f} - {TOLERANCE:g}')
    dress(axes, 'GMACs of the backbone, mean', f'{metric} (%)', 'shares: fine regions of training images')
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    save_figure(figure, path)
