"""Kinds of command-line arguments, for argparse."""

from argparse import ArgumentTypeError


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f'must be a whole number from 1 on, got {text}')
    return int(text)


def share(text: str) -> float:
    """A number in [0, 1]."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f'must lie in [0, 1], got {text}')
    return value


def budget(text: str) -> int | float:
    """A whole number of regions, or a share where there is a decimal point."""
    return int(text) if text.isdigit() else share(text)
