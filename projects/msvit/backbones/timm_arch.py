"""Building a model of timm from its name or its arguments."""

from collections.abc import Callable, Set
from difflib import get_close_matches
from typing import Any, TypeVar

import timm
import torch
from torch import nn

Model = TypeVar('Model', bound=nn.Module)


def build_timm(
    arch: str | dict[str, Any],
    cls: type[Model],
    options: dict[str, Any],
    own_options: Set[str],
    pattern: str,
    why_not: Callable[[str], str],
) -> tuple[Model, str]:
    """Build a timm model.

    Args:
        arch: a timm model name, or the arguments of ``cls``.
        cls: timm's class.
        options: what the backbone decides.
        own_options: arguments that ``arch`` may not hold.
        pattern: of `timm.list_models`, for messages.
        why_not: name of another class of timm -> why mixed-scale tokens cannot drive it.

    Returns:
        The model, and what messages call it.

    Raises:
        ValueError: no such timm model, one of another class, or timm refuses the arguments.
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
        raise ValueError(f"arch names an unknown timm model {arch!r}.{hint} timm.list_models('{pattern}') lists them")
    try:
        model, refusal = timm.create_model(arch, **options), None
    except Exception as error:  # another class of model refuses in a way of its own what it does not know
        model, refusal = None, error
    if isinstance(model, cls):
        return model, arch
    kind = _kind_of(arch) if model is None else type(model)
    if issubclass(kind, cls):
        raise ValueError(f'{arch} is refused by timm: {refusal}') from refusal
    raise ValueError(f"{arch} is not a {cls.__name__} but timm's {kind.__name__}: {why_not(kind.__name__)}") from refusal


def _kind_of(arch: str) -> type[nn.Module]:
    """The class behind a timm model name."""
    with torch.device('meta'):
        return type(timm.create_model(arch))
