"""Batches for training steps, made or loaded before the clock starts."""

from collections.abc import Sized
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import torch
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample

from ..input_size import pair
from ..model import AnalysedModel


@dataclass(frozen=True)
class Batches:
    """Training batches.

    Args:
        items: each with ``inputs`` and ``data_samples``, as a data preprocessor gives them to the model.
        size: images of a batch.
        train_images: of the whole training set; None: nobody knows.
    """

    items: list[dict[str, Any]]
    size: int
    train_images: int | None = None


def load_batches(model: AnalysedModel, count: int, batch_size: int | None = None, seed: int = 0) -> Batches:
    """The first batches of the config's training data, through its pipeline.

    Args:
        model: of the config.
        count: of batches at most, >= 1.
        batch_size: images of each; None: as the config says.
        seed: of the order and the augmentations.

    Raises:
        FileNotFoundError: the data are not there.
        ValueError: the training set is smaller than a batch.
    """
    settings = model.cfg.train_dataloader
    size = batch_size or settings.batch_size
    settings = {**settings, 'batch_size': size, 'num_workers': 0, 'persistent_workers': False}
    loader = Runner.build_dataloader(settings, seed=seed)
    whole = (batch for batch in loader if len(batch['inputs']) == size)
    items = [model.model.data_preprocessor(batch, training=True) for batch in islice(whole, count)]
    images = len(cast(Sized, loader.dataset))
    if not items:
        raise ValueError(f'the training set has {images} images, a batch needs {size}: choose a smaller batch')
    return Batches(items, size, images)


def noise_batches(model: AnalysedModel, count: int, batch_size: int | None = None, seed: int = 0) -> Batches:
    """Noise images with random labels, of the size that the config trains on; arguments as of `load_batches`.

    Raises:
        ValueError: the model is a detector.
    """
    model.require_classes()
    size, shape = batch_size or model.cfg.train_dataloader.batch_size, _training_shape(model)
    generator = torch.Generator().manual_seed(seed)

    def sample() -> SegDataSample | DataSample:
        meta = dict(img_shape=shape, ori_shape=shape)
        if model.segments:
            label = torch.randint(model.num_classes, (1, *shape), generator=generator)
            return SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta)
        return DataSample(metainfo=meta).set_gt_label(torch.randint(model.num_classes, (1,), generator=generator))

    def batch() -> dict[str, Any]:
        images = torch.randint(256, (size, 3, *shape), dtype=torch.uint8, generator=generator)
        return dict(inputs=list(images), data_samples=[sample() for _ in images])

    return Batches([model.model.data_preprocessor(batch(), training=True) for _ in range(count)], size)


def _training_shape(model: AnalysedModel) -> tuple[int, int]:
    """(height, width) of a training image: a segmentor's preprocessor says it, a classifier's backbone."""
    size = (model.cfg.model.get('data_preprocessor') or {}).get('size') or model.backbone.patch_embed.img_size
    return pair(size)
