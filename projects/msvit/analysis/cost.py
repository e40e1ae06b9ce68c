"""What the forward passes behind predictions cost."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..backbones.trace import TokenRecord


class Cost(NamedTuple):
    """Of one prediction.

    Args:
        inputs: how often the backbone ran: once, or once for each sliding window.
        tokens: sum over these runs, without prefix tokens.
        dense_tokens: the same with every region fine.
        gmacs: of the backbone, gate and embedding included, head not; sum over these runs, in 1e9.
    """

    inputs: int
    tokens: int
    dense_tokens: int
    gmacs: float


def cost_of(runs: Sequence[TokenRecord]) -> Cost:
    """Add up what a `TokenTrace` heard."""
    return Cost(
        inputs=sum(len(run.counts) for run in runs),
        tokens=sum(int(run.counts.sum()) for run in runs),
        dense_tokens=sum(run.grid.num_fine * len(run.counts) for run in runs),
        gmacs=sum(float(run.macs().total.sum()) for run in runs) / 1e9,
    )


def costs_of_images(runs: Sequence[TokenRecord], images: int) -> dict[str, np.ndarray]:
    """Add up what a `TokenTrace` heard of a batch for each of its images: ``tokens`` and ``gmacs``, (images,) each.

    Args:
        runs: of the batch as a whole: one, or one for each sliding window.
        images: in the batch.
    """
    if not runs:
        return {}
    tokens, macs = (
        torch.cat(parts).cpu().double().reshape(-1, images).sum(dim=0).numpy()
        for parts in ([run.counts for run in runs], [run.macs().total for run in runs])
    )
    return dict(tokens=tokens, gmacs=macs / 1e9)
