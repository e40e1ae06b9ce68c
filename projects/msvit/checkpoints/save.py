"""Write weights so that they come back bit for bit."""

import os
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..atomic_write import atomic_write


def save_weights(
    model_or_state: nn.Module | dict[str, Tensor],
    path: str | os.PathLike,
    *,
    arch: str = '',
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write weights as a safetensors file that reads back exactly; it appears under its name only when it is complete.

    Args:
        model_or_state: Module, or its tensors by name; any precision, any device.
        path: File to write; its folder is made. Must end in ``.safetensors``.
        arch: Name of the architecture, kept in the file's metadata beside ``origin: msvit``.
        metadata: More of that kind, texts by name.

    Raises:
        ValueError: another suffix, no tensors, or others than tensors.
        OSError: it cannot be written, as on a full disk.
    """
    path = Path(path)
    if path.suffix != '.safetensors':
        raise ValueError(
            f'weights are written as safetensors: name the file {path.with_suffix(".safetensors").name}, not {path.name}'
        )
    state = model_or_state.state_dict() if isinstance(model_or_state, nn.Module) else model_or_state
    wrong = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if wrong or not state:
        raise ValueError(f'only tensors can be saved, got others under: {wrong}' if wrong else 'there are no weights to save')
    about = {'format': 'pt', 'origin': 'msvit', 'arch': arch, **(metadata or {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_write(path) as partial:
            safetensors.torch.save_file(unshared(state), partial, metadata=about)
    except (SafetensorError, OSError) as error:
        raise OSError(f'cannot write {path}, nothing is left of it: {error}') from error
    return path


def unshared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Clone tensors to the CPU: safetensors refuses shared memory, torch would save all that a view is a view of."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state.items()}
