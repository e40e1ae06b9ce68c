"""What the points of a comparison say together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .evaluate import Point
from .transform import UNMOVED, Transform


@dataclass(frozen=True)
class Group:
    """Means over the points of one kind.

    Args:
        name: of the kind.
        points: how many.
        learned: accuracy of the learned gate, in %.
        fixed: accuracy of the fixed gate, in %.
        better: share of the points where the learned gate is more accurate, in [0, 1].
        learned_gmacs: of one image, in 1e9.
        fixed_gmacs: of one image, in 1e9.
    """

    name: str
    points: int
    learned: float
    fixed: float
    better: float
    learned_gmacs: float
    fixed_gmacs: float

    @classmethod
    def of(cls, name: str, points: Sequence[Point]) -> 'Group':
        """The means of at least one point."""
        means = (
            np.mean([figure(point) for point in points])
            for figure in (
                lambda point: point.learned.accuracy,
                lambda point: point.fixed.accuracy,
                lambda point: point.gain > 0,
                lambda point: point.learned.gmacs,
                lambda point: point.fixed.gmacs,
            )
        )
        return cls(name, len(points), *map(float, means))


def summarise(points: Sequence[Point]) -> list[Group]:
    """Groups of points that are not empty: unmoved, all moved, weak and strong shifts (up to their median distance, and
    beyond), shrunk and enlarged scenes."""
    moved = [point for point in points if point.transform != UNMOVED]
    middle = float(np.median([point.transform.distance for point in moved])) if moved else 0.0
    kinds: dict[str, Callable[[Transform], bool]] = {
        'unmoved': lambda transform: transform == UNMOVED,
        'all moved': lambda transform: transform != UNMOVED,
        f'weak shift, <= {middle:.2f}': lambda transform: transform != UNMOVED and transform.distance <= middle,
        f'strong shift, > {middle:.2f}': lambda transform: transform.distance > middle,
        'shrunk, zoom < 1': lambda transform: transform.zoom < 1,
        'enlarged, zoom > 1': lambda transform: transform.zoom > 1,
    }
    groups = {name: [point for point in points if belongs(point.transform)] for name, belongs in kinds.items()}
    return [Group.of(name, group) for name, group in groups.items() if group]
