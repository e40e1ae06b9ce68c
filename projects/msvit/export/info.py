"""What an exported file is to tell of a model."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config

from ..analysis.classes import class_names, palette_of
from ..analysis.input_size import native_size, sized_transforms
from ..analysis.model import AnalysedModel
from ..analysis.samples import gives_bgr
from ..engine.run_gate import find_pixel_format
from ..gates import BaseGate, LearnedGate
from ..parts import class_name
from ..runtime.info import ModelInfo, Resizing, Task
from ..version import __version__


def describe_model(
    model: AnalysedModel, checkpoint: str | PathLike | None = None, normalise: bool = False, any_batch: bool = False
) -> ModelInfo:
    """Tell what the config of a model says of it.

    Args:
        model: that is to be exported.
        checkpoint: whose data set tells the classes where the config does not.
        normalise: the graph is to normalise pixels itself.
        any_batch: the graph is to take several images at once.

    Raises:
        ValueError: the config does not tell how pixels are normalised, or the model gives no classes.
    """
    model.require_classes()
    pixels = find_pixel_format(model.cfg)
    if pixels is None:
        raise ValueError(
            'the config does not tell how pixels are normalised, which an exported file must: mean and std in '
            'model.data_preprocessor'
        )
    gate = model.backbone.gate
    size = height, width = tuple(map(int, native_size(model.cfg, model.backbone)))
    classes = class_names(model, None if checkpoint is None else str(checkpoint))
    return ModelInfo(
        name=Path(model.cfg.filename or 'model').stem,
        task=_task(model),
        classes=tuple(classes),
        palette=tuple((int(red), int(green), int(blue)) for red, green, blue in palette_of(model)[: len(classes)]),
        patch_size=model.backbone.patch_size,
        coarse_patch_size=model.backbone.coarse_patch_size,
        image_size=(height, width),
        resizing=find_resizing(model.cfg, size, model.segments),
        mean=pixels.normalization.mean,
        std=pixels.normalization.std,
        channels='BGR' if gives_bgr(model.cfg) and not pixels.to_rgb else 'RGB',
        normalised_inside=normalise,
        any_batch=any_batch,
        threshold=None if gate is None else _threshold(gate),
        budget=getattr(gate, 'budget', None),
        version=__version__,
    )


def find_resizing(cfg: Config, size: Sequence[int], segments: bool) -> Resizing:
    """Tell how the test pipeline of a config brings images to the size of its model.

    Args:
        cfg: of the run.
        size: (height, width) in pixels that the model was made for.
        segments: whether the model labels pixels.
    """
    steps = [step for step, _ in sized_transforms(list(cfg.test_dataloader.dataset.pipeline))]
    height, width = size
    found = Resizing('none' if segments else 'crop', (height, width), min(size))
    for step in steps:
        name, smooth = class_name(step), _interpolation(step)
        if name == 'Resize':
            scale = step['scale']
            wide, high = scale if isinstance(scale, (list, tuple)) else (scale, scale)
            found = Resizing('fit' if step.get('keep_ratio') else 'stretch', (high, wide), 0, smooth)
        elif name == 'ResizeEdge' and step.get('edge', 'short') == 'short':
            found = replace(found, mode='crop', edge=step['scale'], interpolation=smooth)
        elif name == 'CenterCrop':
            crop = step['crop_size']
            found = replace(found, mode='crop', size=tuple(crop) if isinstance(crop, (list, tuple)) else (crop, crop))
    return found


def _interpolation(step: dict[str, Any]) -> Literal['bilinear', 'bicubic']:
    return 'bicubic' if step.get('interpolation') == 'bicubic' else 'bilinear'


def _task(model: AnalysedModel) -> Task:
    if model.segments:
        return 'segmentation'
    return 'multilabel' if type(model.model.head).__name__.startswith('MultiLabel') else 'classification'


def _threshold(gate: BaseGate) -> float:
    """Of the probability of fine; patterns that nobody trains say 0 or 1, which any threshold between tells apart."""
    return float(gate.threshold) if isinstance(gate, LearnedGate) else 0.5
