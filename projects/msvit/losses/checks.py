"""Ranges of the losses' arguments, each with a message that names the argument."""

import math
from collections.abc import Iterable
from typing import Any


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless the value lies in the open interval (0, 1)."""
    if not 0 < value < 1:
        raise ValueError(f'{name} must lie in (0, 1), got {value}')


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless the value is positive and finite."""
    _check_finite(name, value)
    if value <= 0:
        raise ValueError(f'{name} must be positive, got {value}')


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError unless the value is finite and at least 0."""
    _check_finite(name, value)
    if value < 0:
        raise ValueError(f'{name} must not be negative, got {value}')


def check_count(name: str, value: int) -> None:
    """Raise ValueError unless the value is an int of at least 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f'{name} must be an int of at least 0, got {value!r}')


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise ValueError, listing the choices, unless the value is one of them."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f'unknown {name} {value!r}: choose one of {", ".join(map(repr, choices))}')


def _check_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f'{name} must be finite, got {value}')
