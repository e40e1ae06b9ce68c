"""Weights into a model, all or nothing, and the report of it."""

import logging
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..logs import log
from .errors import CheckpointError
from .finite import check_weights

State = dict[str, Tensor]


@dataclass
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        source: File, address or kind of source.
        origin: Layout of the names, see :func:`msvit.checkpoints.detect_origin`.
        loaded: Names in the model that received weights.
        missing: Names in the model that the checkpoint lacks.
        unexpected: Names in the checkpoint (timm's form) that the model lacks.
        misshaped: Names with both shapes.
        notes: What was resized, left aside or starts fresh, in words.
    """

    source: str
    origin: str
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshaped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Tell whether every tensor has found its place."""
        return not (self.missing or self.unexpected or self.misshaped)

    def __str__(self) -> str:
        head = f'{len(self.loaded)} tensors loaded from {self.source} ({self.origin} layout)'
        return '\n'.join([head, *(f'  {note}' for note in self.notes), *self.problems()])

    def problems(self) -> list[str]:
        """List the misfits, one line each, every name in full."""
        lines = []
        for title in ('missing', 'unexpected', 'misshaped'):
            if names := getattr(self, title):
                lines += [f'  {title} ({len(names)}):', *(f'    {name}' for name in names)]
        return lines


def assign(model: nn.Module, state: State, target: State, report: LoadReport, strict: bool) -> LoadReport:
    """Copy a state into a model and log what became of it; if strict, raise CheckpointError unless all of it fits."""
    both = [name for name in target if name in state]
    fitting = {name: state[name] for name in both if state[name].shape == target[name].shape}
    report.missing = [name for name in target if name not in state]
    report.unexpected = [name for name in state if name not in target]
    report.misshaped = [
        f'{name}: {tuple(state[name].shape)} in the checkpoint, {tuple(target[name].shape)} in the model'
        for name in both
        if name not in fitting
    ]
    if strict and not report.complete:
        lines = [f'{report.source} ({report.origin} layout) does not fit {type(model).__name__}:', *report.problems()]
        raise CheckpointError('\n'.join(lines))
    check_weights(fitting, target, report.source)
    model.load_state_dict(fitting, strict=False)  # copies into the model's precision
    report.loaded = list(fitting)
    log(str(report), logging.INFO if report.complete else logging.WARNING)
    return report
