"""What a model is shown: image files of every kind, or its data set, as the inputs of its network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DATASETS
from torch import Tensor

from .input_size import class_name, sized_transforms
from .model import AnalysedModel
from .read_image import read_rgb
from .run_gate import find_pixel_format
from .scale_map import resize


@dataclass(frozen=True)
class Sample:
    """An image as a network sees it.

    Args:
        name: its file, or its number in the data set.
        image: (H, W, 3) uint8 RGB, resized and cropped as the network sees it, before padding.
        inputs: (1, 3, H', W') normalised, on the model's device.
        label: what it shows: a class index, or (H, W) class indices with 255 where nobody knows; None for a file.
        note: what was done to it beyond the test pipeline of the config, for the report.
    """

    name: str
    image: np.ndarray
    inputs: Tensor
    label: int | np.ndarray | None = None
    note: str = ''


@dataclass
class FileSamples:
    """The readable ones among image files, through the test pipeline of a model's config.

    Iterate once: files that cannot be read or run are named in ``left_out`` as they are met.

    Args:
        model: that will see them.
        files: of any format that Pillow knows.
        max_side: longer images are shrunk to this many pixels before the test pipeline.
    """

    model: AnalysedModel
    files: Sequence[Path]
    max_side: int = 1024
    left_out: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read = _Reader(self.model)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Sample]:
        for file in self.files:
            try:
                image = read_rgb(file)
                small = _shrunk(image, self.max_side)
                sample = self._read(small, str(file))
            except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch finds no memory
                self.left_out.append(dict(file=str(file), reason=str(error) or type(error).__name__))
                continue
            if small is not image:
                note = '{1}x{0}, shrunk to {3}x{2}'.format(*image.shape[:2], *small.shape[:2])
                sample = Sample(sample.name, sample.image, sample.inputs, note=note)
            yield sample


class DatasetSamples:
    """Images of the test set of a model's config, evenly drawn.

    Args:
        model: that will see them.
        count: how many at most; None: all.

    Raises:
        FileNotFoundError: the data are not there.
    """

    def __init__(self, model: AnalysedModel, count: int | None = None):
        self._model, self.left_out = model, []
        self.dataset = DATASETS.build(model.cfg.test_dataloader.dataset)
        total = len(self.dataset)
        self._chosen = np.linspace(0, total - 1, min(count or total, total)).round().astype(int).tolist()

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        for index in self._chosen:
            data = self.dataset[index]
            image, inputs = _prepared(self._model, data)
            yield Sample(str(index), image, inputs, _label(data['data_samples'], image.shape[:2]))


class _Reader:
    """The test pipeline of a config, for images that are in memory."""

    def __init__(self, model: AnalysedModel):
        self._model = model
        steps = list(model.cfg.test_dataloader.dataset.pipeline)
        loads = bool(steps) and class_name(steps[0]).startswith('LoadImage')
        # files come as OpenCV reads them; pipelines that load nothing get arrays in the order of the network
        pixels = find_pixel_format(model.cfg)
        self._bgr = loads or bool(pixels and pixels.to_rgb)
        steps = [step for step in steps[loads:] if class_name(step) != 'LoadAnnotations']
        size = model.cfg.model.backbone.get('img_size')
        if not model.segments and isinstance(size, int) and not any(sized_transforms(steps)):
            # a data set of equal small images needs no resizing, a photograph does
            steps = [dict(type='ResizeEdge', scale=size), dict(type='CenterCrop', crop_size=size), *steps]
        self._pipeline = Compose(steps)

    def __call__(self, image: np.ndarray, name: str) -> Sample:
        array = np.ascontiguousarray(image[..., ::-1] if self._bgr else image)
        shape = array.shape[:2]
        data = self._pipeline(
            dict(img=array, img_path=name, img_shape=shape, ori_shape=shape, height=shape[0], width=shape[1])
        )
        return Sample(name, *_prepared(self._model, data))


def _prepared(model: AnalysedModel, data: dict[str, Any]) -> tuple[np.ndarray, Tensor]:
    """What the pipeline gave as RGB, and as the input of the network."""
    with torch.inference_mode():
        inputs = model.model.data_preprocessor(pseudo_collate([data]), False)['inputs']
    image = data['inputs'].permute(1, 2, 0).numpy()
    pixels = find_pixel_format(model.cfg)
    return np.ascontiguousarray(image[..., ::-1] if pixels and pixels.to_rgb else image), inputs.to(model.device)


def _label(sample: Any, shape: tuple[int, int]) -> int | np.ndarray | None:
    if 'gt_sem_seg' in sample:
        return resize(sample.gt_sem_seg.data[0].byte().numpy(), shape)
    return int(sample.gt_label) if 'gt_label' in sample else None


def _shrunk(image: np.ndarray, max_side: int) -> np.ndarray:
    scale = max_side / max(image.shape[:2])
    return image if scale >= 1 else resize(image, tuple(max(1, round(side * scale)) for side in image.shape[:2]))
