"""Where a loader takes tensors from: a checkpoint, tensors by name, or timm's own weights."""

import logging
import os

import timm
from torch import Tensor

from ..logs import log
from .errors import CheckpointError
from .io import read_checkpoint
from .names import below

Source = str | os.PathLike | bool | dict[str, Tensor]


def resolve(source: Source, arch: str = '', prefix: str = '') -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a source below a prefix, and what to call it in messages; raises as `load_vit` does."""
    if source is False or source is None:
        raise TypeError(f'a source of weights is a path, an address, tensors by name or True, got {source}')
    if isinstance(source, dict):
        state, label = source, 'the given tensors'
    elif source is True:
        state, label = timm_weights(arch), f'timm {arch}'
    else:
        state, label = read_checkpoint(source), str(source)
    state = below(prefix, state)
    if prefix and not state:
        raise CheckpointError(f'{label} has no tensor whose name begins with {prefix!r}')
    return state, label


def timm_weights(arch: str) -> dict[str, Tensor]:
    """Fetch timm's own weights of an architecture, unless they are there.

    Raises:
        ValueError: timm has no such architecture.
        CheckpointError: they cannot be fetched.
    """
    if not arch:
        raise ValueError(
            "timm's own weights (True) need the name of a timm architecture: state arch, or give a checkpoint file"
        )
    if not timm.is_model(arch):
        raise ValueError(f'timm has no architecture {arch!r}; give the path of a checkpoint instead of True')
    log(f"Fetching timm's weights of {arch}, unless they are there")
    hub = logging.getLogger('huggingface_hub')  # tells of every retry, a dozen times
    level = hub.level
    try:
        hub.setLevel(logging.ERROR)
        return timm.create_model(arch, pretrained=True).state_dict()
    except Exception as error:  # each version of the hub's client has errors of its own
        raise CheckpointError(
            f"cannot get timm's weights of {arch} ({type(error).__name__}: {error}). They come over the network: "
            'where there is none, fetch the file elsewhere and give its path instead of True; or set pretrained=None where a '
            'trained model is loaded anyway'
        ) from error
    finally:
        hub.setLevel(level)
