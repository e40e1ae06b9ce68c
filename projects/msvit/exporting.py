"""What differs while `torch.export` records a model: sizes may be symbols, and nothing that is recorded may outlive it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')


def is_exporting() -> bool:
    """Tell whether `torch.export` records what runs; before torch 2.7, which does not tell, never."""
    asked = getattr(torch.compiler, 'is_exporting', None)
    return asked is not None and asked()


def are_known(sizes: Sequence[int]) -> bool:
    """Tell whether all sizes are plain numbers: comparing symbols would tie the exported program to the example's size."""
    return all(isinstance(size, int) for size in sizes)


def full_precision(device_type: str) -> AbstractContextManager:
    """A context without autocast; while exporting none at all, for a recorded one is no operation of other runtimes.

    Args:
        device_type: ``'cpu'``, ``'cuda'``, ...
    """
    return nullcontext() if is_exporting() else torch.autocast(device_type, enabled=False)


def cached_map(maxsize: int) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Keep the tensors that a function of plain arguments gives, and hand them out again.

    They are never inference tensors, for a training step may save them for its backward pass. While exporting nothing is kept:
    arguments may be symbols, and what comes out belongs to the export.

    Args:
        maxsize: results that are kept.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        cached = lru_cache(maxsize)(torch.inference_mode(False)(torch.no_grad()(function)))

        @wraps(function)
        def get(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            return function(*args, **kwargs) if is_exporting() else cached(*args, **kwargs)

        return get

    return decorate
