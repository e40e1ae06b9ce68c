"""What the maps of names share: to find the layout of a checkpoint by its names, and to rename."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from torch import Tensor

from .errors import CheckpointError, first_of

Signs = Mapping[str, Collection[str]]  # origin -> patterns; its checkpoints have a name that begins so for each of them
Rules = Collection[tuple[str, str | Callable[[re.Match], str]]]  # pattern -> replacement, applied in order


def find_origin(state: Collection[str], signs: Signs) -> str | None:
    """Name the first origin whose signs are all there."""
    return next((origin for origin, patterns in signs.items() if has_all(state, *patterns)), None)


def has_all(state: Collection[str], *patterns: str) -> bool:
    """Tell whether for each pattern there is a name that begins so."""
    return all(any(re.match(pattern, name) for name in state) for pattern in patterns)


def unknown_layout(network: str, origins: Iterable[str], state: Collection[str]) -> CheckpointError:
    """Say that a checkpoint holds no such network in a layout of these origins."""
    return CheckpointError(
        f'no {network} of a known layout ({", ".join(origins)}) in a checkpoint of {len(state)} tensors: {first_of(state, 6)}'
    )


def split_backbone(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part a whole model's tensors into its backbone's, without their prefix, and the others.

    The prefix is ``backbone.`` or ``encoder.``; without one, all belongs to the backbone. The others keep their full names.
    """
    for prefix in ('backbone.', 'encoder.'):
        if any(name.startswith(f'{prefix}patch_embed.') for name in state):
            rest = {name: value for name, value in state.items() if not name.startswith(prefix)}
            return below(prefix, state), rest
    return dict(state), {}


def below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def rename(state: dict[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Rename tensors; names that no rule knows stay, so that the loader can report them.

    Raises:
        CheckpointError: two tensors would have one name.
    """
    renamed = {}
    for name, value in state.items():
        new = name
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        if new in renamed:
            raise CheckpointError(f'two tensors of the checkpoint would both be {new}; one of them is {name}')
        renamed[new] = value
    return renamed
