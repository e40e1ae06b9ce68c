"""Arguments at the door: each message names the argument, what it takes and what it got."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from os import PathLike
from typing import Any

import torch
from torch import Tensor


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put the argument's name in front of the TypeError or ValueError that building it from a config raises."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f'{name}: {error}') from error


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless the value lies in the open interval (0, 1)."""
    _check_number(name, value, 'lie in (0, 1)', lambda number: 0 < number < 1)


def check_share_up_to(name: str, value: float, most: float) -> None:
    """Raise ValueError unless the value lies in (0, most]."""
    _check_number(name, value, f'lie in (0, {most}]', lambda number: 0 < number <= most)


def check_closed_share(name: str, value: float) -> None:
    """Raise ValueError unless the value lies in [0, 1]."""
    _check_number(name, value, 'lie in [0, 1]', lambda number: 0 <= number <= 1)


def check_drop_rate(name: str, value: float) -> None:
    """Raise ValueError unless the value lies in [0, 1)."""
    _check_number(name, value, 'lie in [0, 1)', lambda number: 0 <= number < 1)


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless the value is positive and finite."""
    _check_number(name, value, 'be finite', math.isfinite)
    _check_number(name, value, 'be positive', lambda number: number > 0)


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError unless the value is finite and at least 0."""
    _check_number(name, value, 'be finite', math.isfinite)
    _check_number(name, value, 'not be negative', lambda number: number >= 0)


def check_count(name: str, value: int, least: int = 0) -> None:
    """Raise ValueError unless the value is an int of at least ``least``."""
    if not is_count(value, least):
        raise ValueError(f'{name} must be an int of at least {least}, got {value!r}')


def check_flag(name: str, value: bool) -> None:
    """Raise ValueError unless the value is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f'{name} must be True or False, got {value!r}')


def check_path(name: str, value: str | PathLike) -> None:
    """Raise TypeError or ValueError unless the value is the name of a file, or an address."""
    if not isinstance(value, str | PathLike):
        raise TypeError(f'{name} must be a path or an address, got {value!r}')
    if not str(value):
        raise ValueError(f'{name} must be a path or an address, got an empty one')


def check_sides(name: str, value: int | Sequence[int]) -> None:
    """Raise ValueError unless the value is a side in pixels, or (height, width)."""
    sides = value if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(sides) != 2 or not all(is_count(side, 1) for side in sides):
        raise ValueError(f'{name} must be a positive number of pixels, or (height, width), got {value!r}')


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise ValueError, listing the choices, unless the value is one of them."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f'unknown {name} {value!r}: choose one of {", ".join(map(repr, choices))}')


def check_pretrained(value: Any) -> None:
    """Raise ValueError unless the value is None, a bool, or the name of a checkpoint."""
    if value is not None and not isinstance(value, bool) and (not isinstance(value, str | PathLike) or not str(value)):
        raise ValueError(f'pretrained must be None, True, or the path or address of a checkpoint, got {value!r}')


def check_init_cfg(value: Any) -> None:
    """Raise ValueError unless the value is None, the config of an initialiser, or a list of those."""
    configs = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(config, dict) and 'type' in config for config in configs):
        raise ValueError(f"init_cfg must be None, dict(type='msvit.Pretrained', checkpoint=...) or a list, got {value!r}")


def to_mask(name: str, value: Any, device: torch.device | None = None) -> Tensor:
    """The value as a boolean tensor.

    Args:
        name: of the argument.
        value: a tensor or nested sequences, boolean or of 0 and 1. Only those that are not boolean are looked at, which waits
            for a GPU.
        device: of the tensor.

    Raises:
        ValueError: it holds something else, such as probabilities.
    """
    try:
        mask = torch.as_tensor(value, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f'{name} must be a boolean tensor or nested sequences of 0 and 1, got {value!r}') from error
    if mask.dtype != torch.bool and not (mask.bool().to(mask.dtype) == mask).all():
        raise ValueError(f'{name} must be boolean, or of 0 and 1: make a decision of probabilities, such as p_fine > 0.5')
    return mask.bool()


def is_indices(value: Any, length: int) -> bool:
    """Tell whether the values are indices, at least one, into a sequence of this length; negative ones count from its end."""
    whole = isinstance(value, Sequence) and all(isinstance(index, Integral) for index in value)
    return whole and len(value) > 0 and all(-length <= index < length for index in value)


def is_count(value: Any, least: int = 0) -> bool:
    """Tell whether the value is a whole number of at least ``least``; a bool is none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_share(value: Any) -> bool:
    """Tell whether the value is a number in (0, 1]; a bool is none."""
    return _is_number(value) and 0 < value <= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_number(name: str, value: Any, takes: str, valid: Callable[[float], bool]) -> None:
    if not _is_number(value) or not valid(value):
        raise ValueError(f'{name} must {takes}, got {value!r}')
