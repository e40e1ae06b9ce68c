"""Building a model of timm from its name or its arguments."""

from collections.abc import Set
from difflib import get_close_matches
from typing import Any

import timm
from torch import nn


def build_timm(
    arch: str | dict[str, Any], cls: type[nn.Module], options: dict[str, Any], own_options: Set[str], pattern: str
) -> tuple[nn.Module, str]:
    """Build a timm model.

    Args:
        arch: a timm model name, or the arguments of ``cls``.
        cls: timm's class.
        options: what the backbone decides.
        own_options: arguments that ``arch`` may not hold.
        pattern: of `timm.list_models`, for messages.

    Returns:
        The model, and what messages call it.

    Raises:
        ValueError: no such timm model, or timm refuses the arguments.
        TypeError: ``arch`` is neither a name nor a dict.
    """
    if isinstance(arch, dict):
        taken = sorted(own_options & set(arch))
        if taken:
            raise ValueError(f'arch may not hold {", ".join(taken)}: the backbone sets these itself, see its own arguments')
        try:
            return cls(**arch, **options), 'this arch'
        except (TypeError, AssertionError, IndexError) as error:
            raise ValueError(f'arch {arch} is refused by timm: {error}') from error
    if not isinstance(arch, str):
        raise TypeError(f'arch must be a timm model name or a dict of {cls.__name__} arguments, got {type(arch).__name__}')
    if not timm.is_model(arch):
        near = get_close_matches(arch, timm.list_models())
        hint = f' Did you mean one of {", ".join(near)}?' if near else ''
        raise ValueError(f"unknown timm model {arch!r}.{hint} timm.list_models('{pattern}') lists them")
    try:
        return timm.create_model(arch, **options), arch
    except (TypeError, AssertionError) as error:
        raise ValueError(f'{arch} is not a {cls.__name__} that mixed-scale tokens can drive: {error}') from error
