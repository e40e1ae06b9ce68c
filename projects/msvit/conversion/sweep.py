"""Accuracy against MACs over thresholds of one trained gate, and the setting to take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner

from ..analysis.model import AnalysedModel
from .measuring import Reached

SHARES = tuple(tenth / 10 for tenth in range(1, 11))
# Points below the dense model that are still as good.
TOLERANCE = 0.5
# Training images whose regions tell the thresholds.
IMAGES = 256


@dataclass(frozen=True)
class Setting:
    """A threshold, and what the model reaches with it.

    Args:
        share: of the regions of training images that are fine then.
        threshold: of the gate.
        reached: on the images to test.
    """

    share: float
    threshold: float
    reached: Reached

    @property
    def option(self) -> str:
        """As ``--cfg-options`` takes it."""
        return f'model.backbone.gate.threshold={self.threshold:g}'


@torch.inference_mode()
def gate_values(mixed: AnalysedModel, data: dict[str, Any], training: bool, images: int | None = None) -> np.ndarray:
    """Read p_fine of every region of images, (N,); no label is looked at.

    Args:
        mixed: with a learned gate.
        data: the config of a loader.
        training: whether its batches are preprocessed as in training.
        images: how many, in whole batches; None: all, of a loader that ends.
    """
    loader = Runner.build_dataloader(data, seed=0)
    batches = islice(loader, None if images is None else math.ceil(images / (loader.batch_size or 1)))
    preprocess = mixed.model.get_submodule('data_preprocessor')
    inputs = (preprocess(batch, training)['inputs'] for batch in batches)
    return np.concatenate([mixed.backbone.decide(images.to(mixed.device)).p_fine.flatten().cpu().numpy() for images in inputs])


def spread_thresholds(p_fine: np.ndarray, shares: Sequence[float] = SHARES) -> list[tuple[float, float]]:
    """Pairs of a share and the threshold above which so many of the values lie; 0 for all of them.

    Values that are equal are not parted: shares that would give a threshold once more are left out.

    Args:
        p_fine: (N,) in [0, 1].
        shares: in (0, 1], rising.
    """
    found: dict[float, float] = {}
    for share in shares:
        # six digits, as it is told
        threshold = float(f'{np.quantile(p_fine, 1 - share):.6g}') if share < 1 else 0.0
        found.setdefault(threshold, share)
    return [(share, threshold) for threshold, share in found.items()]


def recommend(settings: Sequence[Setting], wanted: float) -> Setting | None:
    """The cheapest setting whose score is at most `TOLERANCE` below ``wanted``; None if there is none."""
    good = [one for one in settings if one.reached.score >= wanted - TOLERANCE]
    return min(good, key=lambda one: one.reached.gmacs, default=None)
