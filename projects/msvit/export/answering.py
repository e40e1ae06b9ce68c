"""An exported file in the place of the model that it came from, for the host's own evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..runtime import OnnxModel


def answer_by_file(model: Any, file: OnnxModel) -> None:
    """Let a segmentor or classifier take its scores from an exported file.

    What comes before and after stays the host's: loading, normalisation, post-processing and metrics.

    Args:
        model: of mmseg or mmpretrain, as its config builds it. Its weights are not used.
        file: exported from it, or from one like it.

    Raises:
        ValueError: the file does another task or has another number of classes.
    """
    segments = hasattr(model, 'decode_head')
    head = model.decode_head if segments else model.head
    task = 'segmentation' if segments else 'multilabel' if 'MultiLabel' in type(head).__name__ else 'classification'
    if file.info.task != task or len(file.info.classes) != head.num_classes:
        raise ValueError(
            f'{file.path} is a file for {file.info.task} of {len(file.info.classes)} classes, and the config one for '
            f'{task} of {head.num_classes}'
        )
    # the file holds the head too
    scores = _scores_of(file)
    model.extract_feat = lambda inputs, *_: scores(inputs)
    head.forward = lambda features: features


def _scores_of(file: OnnxModel) -> Callable[[Tensor], Tensor]:
    """The file as a function of what a data preprocessor gives: (B, 3, H, W), normalised -> scores of B images."""
    mean, std = (np.array(values, dtype=np.float32)[:, None, None] for values in (file.info.mean, file.info.std))

    def scores(inputs: Tensor) -> Tensor:
        images = inputs.numpy()
        if file.info.normalised_inside:  # such a graph takes RGB pixels
            images = (images * std + mean)[:, :: -1 if file.info.channels == 'BGR' else 1]
        # one by one, as a packed graph takes them
        outputs = [file.run(np.ascontiguousarray(images[i : i + 1]))['scores'] for i in range(len(images))]
        return torch.from_numpy(np.concatenate(outputs))

    return scores
