"""Names and colours of a model's classes."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS

from ..checkpoints import read_dataset_meta
from .model import AnalysedModel


def class_names(model: AnalysedModel, checkpoint: str | Path | None = None) -> list[str]:
    """The names of a model's classes: of the config's data set, else of the checkpoint's training, else their numbers.

    Args:
        model: whose classes are meant.
        checkpoint: its file, address or ``msvit://`` name.
    """
    names = _dataset_meta(model).get('classes') or (read_dataset_meta(checkpoint).get('classes') if checkpoint else None)
    if names is None or len(names) != model.num_classes:
        return [str(number) for number in range(model.num_classes)]
    return [str(name) for name in names]


def palette_of(model: AnalysedModel) -> np.ndarray:
    """The data set's colours, (classes, 3) uint8, or mmseg's random ones where it has none."""
    palette = _dataset_meta(model).get('palette')
    if not palette:
        palette = np.random.RandomState(42).randint(0, 255, (max(2, model.num_classes), 3))
    return np.asarray(palette, dtype=np.uint8)


def _dataset_meta(model: AnalysedModel) -> dict[str, Any]:
    """Tell what the config says of its test set, and the class of the data set where the config says nothing."""
    dataset = model.cfg.test_dataloader.dataset
    with DATASETS.switch_scope_and_registry(None) as registry:
        kind = registry.get(dataset['type'])
    return {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
