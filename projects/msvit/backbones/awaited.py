"""A trained gate whose own file is gone: the checkpoint of its host brings it back."""

import logging
from os import PathLike
from typing import Any

from torch import Tensor, nn

from ..checkpoints import CheckpointError
from ..checkpoints.files import local_file
from ..checkpoints.gate import SETTINGS, find_gate
from ..gates import BaseGate, GateOutput, LearnedGate
from ..logs import log
from ..parts import class_name


class AwaitedGate(BaseGate):
    """The place of a gate until `found_in` tells its kind and shape.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
        reason: why the gate's own file could not be had.
        frozen: see `BaseGate.freeze`.
        **settings: ``threshold``, ``budget``, ``temperature`` that the config states.
    """

    def __init__(self, coarse_patch_size: int, reason: Exception, frozen: bool = True, **settings: Any):
        super().__init__(coarse_patch_size)
        self.reason, self.frozen, self.settings = reason, frozen, settings
        for name, value in settings.items():
            setattr(self, name, value)
        if not frozen:
            self.weight = nn.Parameter(Tensor())  # what a gate loss would train

    def forward(self, images: Tensor) -> GateOutput:
        """Raise CheckpointError: there is no gate yet."""
        raise CheckpointError(f'{self.reason}. Load a checkpoint of the whole model first, which holds the gate too')

    def found_in(self, state: dict[str, Tensor], prefix: str) -> LearnedGate:
        """Build the gate of a host's state, without its weights.

        Args:
            state: tensors by name.
            prefix: of the gate's.

        Raises:
            CheckpointError: the state has no gate of that name.
        """
        found = find_gate(state, prefix=prefix)
        gate = found.kind(**found.arguments(), **self.settings)
        return gate.freeze() if self.frozen else gate


def awaited(gate: Any) -> Any:
    """Return the gate of a backbone's config, or an `AwaitedGate` in the place of one whose file is gone.

    The threshold and the budget that only that file told are lost, with a warning; those in the config stay.
    """
    if isinstance(gate, str | PathLike):
        gate = dict(type='msvit.TrainedGate', checkpoint=gate)
    if not isinstance(gate, dict) or class_name(gate) not in ('TrainedGate', 'build_trained_gate'):
        return gate
    try:
        local_file(str(gate['checkpoint']))
        return gate
    except (FileNotFoundError, CheckpointError) as error:
        settings = {name: gate[name] for name in SETTINGS if name in gate}
        log(
            f'{error}. The gate is built without it: its weights come from the trained checkpoint, threshold and budget from '
            f'the config ({settings or "none there: the defaults"}). If the file told others, state them in the config',
            logging.WARNING,
        )
        return dict(type=AwaitedGate, reason=error, frozen=gate.get('frozen', True), **settings)
