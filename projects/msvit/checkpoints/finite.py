"""Weights of a model that has diverged, and numbers that half precision cannot hold."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .errors import CheckpointError, first_of


def not_finite(state: Mapping[str, Any]) -> list[str]:
    """Name the tensors that hold NaN or infinite values; other objects are passed over."""
    return [name for name, value in state.items() if isinstance(value, Tensor) and not value.isfinite().all()]


def check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError, which says where they are, if numbers are NaN or infinite."""
    if wrong := not_finite(state):
        raise CheckpointError(f'not finite in {where}: {first_of(wrong, 5)}')


def check_weights(state: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str) -> None:
    """Raise CheckpointError unless all weights are finite real numbers.

    Args:
        state: what is to be loaded, by name.
        own: what the model has under these names; what is a whole number there may be one.
        source: what to call them in the message.
    """
    weights = {name: value for name, value in state.items() if own[name].is_floating_point()}
    if strange := [f'{name} ({value.dtype})' for name, value in weights.items() if not value.is_floating_point()]:
        raise CheckpointError(f'not all weights of {source} are floating-point numbers: {first_of(strange, 3)}')
    if wrong := not_finite(weights):
        raise CheckpointError(
            f'weights of {source} are NaN or infinite, {len(wrong)} of {len(weights)} tensors: {first_of(wrong, 3)}. Its '
            'training has diverged: take an earlier checkpoint'
        )


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring floating-point tensors to half precision; raise CheckpointError if their numbers are too large for it."""
    small = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    check_finite(small, 'half precision')
    return small
