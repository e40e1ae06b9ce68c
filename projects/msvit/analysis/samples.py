"""What a model is shown: image files of every kind, or its data set, as the inputs of its network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DATASETS
from torch import Tensor

from ..engine.run_gate import find_pixel_format
from ..images import read_rgb, resize, shrunk
from ..parts import class_name
from .input_limit import check_input
from .input_size import sized_transforms
from .model import AnalysedModel

Item = TypeVar('Item')
Result = TypeVar('Result')


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
        self._pipeline = InputPipeline(self.model)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Sample]:
        for _, sample in usable(self.files, self._sample, self.left_out):
            yield sample

    def _sample(self, file: Path) -> Sample:
        image = read_rgb(file)
        small = shrunk(image, self.max_side)
        shown, inputs = _prepared(self.model, self._pipeline(small))
        return Sample(str(file), shown, inputs, note=shrinking_note(image, small))


def usable(
    items: Iterable[Item], work: Callable[[Item], Result], left_out: list[dict[str, str]], name: Callable[[Item], str] = str
) -> Iterator[tuple[Item, Result]]:
    """Do work on images, past those that cannot be read or run.

    Args:
        items: files or images.
        work: what to do with each.
        left_out: takes the file of each item where the work fails, and the reason.
        name: the file of an item.

    Yields:
        Each other item, and what its work returned.
    """
    for item in items:
        try:
            result = work(item)
        except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: torch finds no memory
            left_out.append(dict(file=name(item), reason=str(error) or type(error).__name__))
            continue
        yield item, result


class DatasetSamples:
    """Images of the test set of a model's config, evenly drawn.

    Iterate once: images that are too large to run are named in ``left_out`` as they are met.

    Args:
        model: that will see them.
        count: how many at most; None: all.

    Raises:
        FileNotFoundError: the data are not there.
    """

    def __init__(self, model: AnalysedModel, count: int | None = None):
        self._model = model
        self.left_out: list[dict[str, str]] = []
        self.dataset = DATASETS.build(model.cfg.test_dataloader.dataset)
        total = len(self.dataset)
        self._chosen = np.linspace(0, total - 1, min(count or total, total)).round().astype(int).tolist()

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        for index in self._chosen:
            data = self.dataset[index]
            try:
                image, inputs = _prepared(self._model, data)
            except ValueError as error:
                self.left_out.append(dict(file=str(index), reason=str(error)))
                continue
            yield Sample(str(index), image, inputs, _label(data['data_samples'], image.shape[:2]))


class InputPipeline:
    """The test pipeline of a model's config, for images that are in memory.

    Where a classifier's pipeline resizes nothing, as for data sets of small images of one size, the middle of the image is
    brought to the size that the backbone is made for: a photograph is not.

    Args:
        model: whose config is meant.
    """

    def __init__(self, model: AnalysedModel):
        self._bgr = gives_bgr(model.cfg)
        steps = steps_for_arrays(model.cfg, model.cfg.test_dataloader.dataset.pipeline, model.segments)
        self._steps = Compose(steps)

    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """Run an (H, W, 3) uint8 RGB image through the pipeline.

        Returns:
            ``inputs`` (3, H', W') and ``data_samples``, as a data set gives them.

        Raises:
            ValueError: a step cannot be done, such as shrinking a strip of pixels to nothing.
        """
        array = np.ascontiguousarray(image[..., ::-1] if self._bgr else image)
        shape = array.shape[:2]
        try:
            data = dict(img=array, img_path='', img_shape=shape, ori_shape=shape, height=shape[0], width=shape[1])
            return cast(dict, self._steps(data))  # None stands for images that a training drops
        except (cv2.error, ZeroDivisionError) as error:
            raise ValueError(f'the test pipeline cannot take {shape[0]}x{shape[1]} pixels: {error}') from error


def inputs_for(model: AnalysedModel, sample: Sample, source: AnalysedModel) -> Tensor:
    """A sample of one model as another one wants its pixels: at the same size, in its own normalisation.

    Args:
        model: that will see it.
        sample: of ``source``.
        source: whose test pipeline made it.

    Returns:
        (1, 3, H', W').

    Raises:
        ValueError: the model's config does not tell how pixels are normalised.
    """
    pixels = find_pixel_format(model.cfg)
    if (pixels, _wants_bgr(model)) == (find_pixel_format(source.cfg), _wants_bgr(source)):
        return sample.inputs
    if pixels is None:
        raise ValueError('the second config does not tell how pixels are normalised: mean and std in model.data_preprocessor')
    mean, std = (torch.tensor(values) for values in pixels.normalization)
    image = torch.from_numpy(np.ascontiguousarray(sample.image[..., ::-1] if _wants_bgr(model) else sample.image))
    padding = [here - there for here, there in zip(sample.inputs.shape[2:], image.shape, strict=False)]
    return F.pad(((image - mean) / std).permute(2, 0, 1)[None], (0, padding[1], 0, padding[0])).to(model.device)


def steps_for_arrays(cfg: Config, pipeline: Sequence[dict], segments: bool) -> list[dict]:
    """The steps of a pipeline for RGB or BGR arrays (see `gives_bgr`) without annotations, instead of files.

    Args:
        cfg: of the run.
        pipeline: its test or training pipeline.
        segments: whether its model labels pixels. A classifier's images are brought to its size, see `InputPipeline`.
    """
    steps = [step for step in pipeline if not class_name(step).startswith(('LoadImage', 'LoadAnnotations'))]
    size = cfg.model.backbone.get('img_size')
    if segments or not isinstance(size, int) or any(sized_transforms(cfg.test_dataloader.dataset.pipeline)):
        return steps
    # Pillow, because it averages over all pixels: OpenCV's shrinking skips most of a photograph's
    smooth = dict(backend='pillow', interpolation='bilinear')
    return [dict(type='ResizeEdge', scale=size, **smooth), dict(type='CenterCrop', crop_size=size), *steps]


def gives_bgr(cfg: Config) -> bool:
    """Tell whether a run's images are BGR before they are normalised."""
    pixels = find_pixel_format(cfg)
    return _loads(cfg.test_dataloader.dataset.pipeline) or bool(pixels and pixels.to_rgb)


def shrinking_note(image: np.ndarray, small: np.ndarray) -> str:
    """Tell what `shrunk` did, width first, for the report."""
    return '' if small is image else '{1}x{0} shrunk to {3}x{2}'.format(*image.shape[:2], *small.shape[:2])


def _prepared(model: AnalysedModel, data: dict[str, Any]) -> tuple[np.ndarray, Tensor]:
    """Tell what a pipeline gave as RGB, and as the input of the network."""
    with torch.inference_mode():
        inputs = model.model.data_preprocessor(pseudo_collate([data]), False)['inputs'].to(model.device)
    check_input(model, inputs)
    return _shown(model, data['inputs'], inputs), inputs


def _shown(model: AnalysedModel, given: Tensor, inputs: Tensor) -> np.ndarray:
    """Tell what a pipeline gave, (3, H, W), as (H, W, 3) uint8 RGB, wherever it is normalised."""
    pixels = find_pixel_format(model.cfg)
    image, bgr = given.permute(1, 2, 0), gives_bgr(model.cfg)
    if pixels:
        mean, std = (torch.tensor(values) for values in pixels.normalization)
        seen = inputs[0, :, : given.shape[1], : given.shape[2]].permute(1, 2, 0).cpu()
        image, bgr = (seen * std + mean).round().clamp(0, 255), _wants_bgr(model)
    image = image.byte().numpy()
    return np.ascontiguousarray(image[..., ::-1] if bgr else image)


def _loads(steps: Sequence[dict]) -> bool:
    """Tell whether a pipeline begins with reading a file, which comes as BGR; others are given arrays."""
    return bool(steps) and class_name(steps[0]).startswith('LoadImage')


def _wants_bgr(model: AnalysedModel) -> bool:
    """Tell whether they still are behind it: whether the network was trained on BGR."""
    pixels = find_pixel_format(model.cfg)
    return gives_bgr(model.cfg) and not (pixels and pixels.to_rgb)


def _label(sample: Any, shape: tuple[int, int]) -> int | np.ndarray | None:
    if 'gt_sem_seg' in sample:
        return resize(sample.gt_sem_seg.data[0].byte().numpy(), shape)
    return int(sample.gt_label) if 'gt_label' in sample else None
