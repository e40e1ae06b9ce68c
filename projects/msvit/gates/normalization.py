"""How pixels are normalised, and moving a trained gate to a host that does it in another way."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from .learned import LearnedGate


class Normalization(NamedTuple):
    """How pixels of 0..255 become a network's input: (pixel - mean) / std, for each channel.

    Args:
        mean: in 0..255.
        std: > 0, in 0..255.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, mean: Sequence[float] | None, std: Sequence[float] | None) -> 'Normalization | None':
        """Make one of two sequences of one length; None where neither is given.

        Raises:
            ValueError: only one of them is given, lengths differ, or a value is out of range.
        """
        if mean is None and std is None:
            return None
        if mean is None or std is None:
            raise ValueError(f'mean and std belong together, got mean={mean} and std={std}: give both or none')
        mean, std = (tuple(map(float, values)) for values in (mean, std))
        if len(mean) != len(std):
            raise ValueError(f'mean and std need one value for each channel, got mean={mean} and std={std}')
        if not all(map(math.isfinite, mean + std)) or min(std) <= 0:
            raise ValueError(f'mean must be finite and std positive, in units of 0..255, got mean={mean} and std={std}')
        return cls(mean, std)


def renormalize_gate(gate: LearnedGate, trained: Normalization, host: Normalization) -> None:
    """Fold the change of normalisation into a gate's first layer, so that it decides in a host as in its training.

    With x = (pixel - mean) / std on either side, x_trained = x_host * std_h / std_t + (mean_h - mean_t) / std_t, which is
    linear: no pixel is touched at run time. What a host adds itself, zeros that pad an image to whole regions, stands for its
    own mean colour: that is what the gate sees there, where in its training it saw the mean colour of that time.

    Args:
        gate: is changed.
        trained: what the gate was trained with.
        host: what it will be given.

    Raises:
        ValueError: a normalisation has another number of channels than the gate.
    """
    for one in (trained, host):
        if len(one.mean) != gate.in_channels:
            raise ValueError(f'mean and std need one value for each of the {gate.in_channels} channels, got {one.mean}')
    mean_t, std_t, mean_h, std_h = (torch.tensor(values, dtype=torch.float64) for values in (*trained, *host))
    gate.rescale_inputs(std_h / std_t, (mean_h - mean_t) / std_t)
