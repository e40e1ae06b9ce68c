"""Weights of a model that has diverged."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .errors import CheckpointError


def check_weights(state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str) -> None:
    """Raise CheckpointError unless all weights are finite real numbers.

    Args:
        state: what is to be loaded, by name.
        own: what the model has under these names; what is a whole number there may be one.
        source: what to call them in the message.
    """
    weights = {name: value for name, value in state.items() if own[name].is_floating_point()}
    if strange := [f'{name} ({value.dtype})' for name, value in weights.items() if not value.is_floating_point()]:
        raise CheckpointError(f'not all weights of {source} are floating-point numbers: {_first(strange)}')
    if wrong := not_finite(weights):
        raise CheckpointError(
            f'weights of {source} are NaN or infinite, {len(wrong)} of {len(weights)} tensors: {_first(wrong)}. Its training '
            'has diverged: take an earlier checkpoint'
        )


def _first(names: list[str]) -> str:
    return ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')


def not_finite(state: Mapping[str, Any]) -> list[str]:
    """Name the tensors that hold NaN or infinite values.

    Args:
        state: tensors by name; whole numbers and other objects are passed over.
    """
    return [
        name
        for name, value in state.items()
        if isinstance(value, Tensor) and value.is_floating_point() and not torch.isfinite(value).all()
    ]
