"""How a figure spreads over images or runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (of the values themselves), least, largest, and percentiles."""

    mean: float
    std: float
    min: float
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> 'Spread':
        """The spread of at least one value."""
        values = np.asarray(values, dtype=float)
        return cls(float(values.mean()), float(values.std()), *map(float, np.percentile(values, (0, 5, 25, 50, 75, 95, 100))))
