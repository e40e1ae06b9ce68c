"""Weights of a model that has diverged."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def not_finite(state: Mapping[str, Any]) -> list[str]:
    """The names of the tensors that hold NaN or infinite values.

    Args:
        state: tensors by name; whole numbers and other objects are passed over.
    """
    return [
        name
        for name, value in state.items()
        if isinstance(value, Tensor) and value.is_floating_point() and not torch.isfinite(value).all()
    ]
