"""Tokens and multiply-accumulates beside accuracy, over the images that are evaluated."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from ..analysis.macs import backbone_macs
from ..backbones import TokenTrace

# One trace for all metrics: what ran in a test must not be counted by the next validation.
_shared: WeakValueDictionary[str, TokenTrace] = WeakValueDictionary()


class TokenMetric(BaseMetric):
    """Mean, least and most tokens and MACs of mixed-scale backbones over the evaluated images.

    The cost of such a model differs from image to image, so these are averages over real images, not one number of the model.
    Tokens are counted without prefix tokens; MACs are the backbone's, gate and embedding included, decoder not. Both are per
    network input: under sliding inference an image gives several, and ``inputs_per_image`` says how many. Forward passes that
    you make yourself in evaluation mode between two evaluations are counted with the next one.

    Args:
        **kwargs: ``prefix``, ``collect_device`` of mmengine's ``BaseMetric``.
    """

    default_prefix = 'tokens'

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._trace = _shared.setdefault('trace', TokenTrace())

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Store one entry for each image, as `BaseMetric` expects: the (inputs, 2) tokens and MACs of its network inputs."""
        images = len(data_samples)
        parts = [torch.stack((record.counts, backbone_macs(*record).total), dim=1) for record in self._trace.drain()]
        inputs = torch.cat(parts).cpu().numpy() if parts else np.empty((0, 2))
        # each forward pass holds the images of the batch in order, sliding windows and augmentations too
        self.results += [inputs[image::images] for image in range(images)]

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Figures over all inputs; MACs in units of 1e9.

        Raises:
            RuntimeError: no mixed-scale backbone ran.
        """
        inputs = np.concatenate(results)
        if not len(inputs):
            raise RuntimeError(
                'TokenMetric saw no mixed-scale backbone run: drop it from the evaluator, or use an msvit backbone'
            )
        figures = {
            f'{name}_{stat}': float(getattr(values, stat)())
            for name, values in (('count', inputs[:, 0]), ('gmacs', inputs[:, 1] / 1e9))
            for stat in ('mean', 'min', 'max')
        }
        return {**figures, 'inputs_per_image': len(inputs) / len(results)}
