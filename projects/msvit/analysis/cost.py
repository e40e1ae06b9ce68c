"""What the forward passes behind a prediction cost."""

from collections.abc import Sequence
from typing import NamedTuple

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
