"""The one error that the loading of weights raises when a file or its contents do not fit, and how it lists names."""

from collections.abc import Iterable


class CheckpointError(ValueError):
    """A checkpoint that cannot be read safely, has an unknown layout, or does not fit the model."""


def first_of(names: Iterable[str], most: int) -> str:
    """List the first of many names for a message."""
    names = list(names)
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
