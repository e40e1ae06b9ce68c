"""Backbones on the Hugging Face Hub and in local folders: config.json and model.safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from .. import gates
from ..checkpoints.gate import SETTINGS
from ..gates import BaseGate, LearnedGate


class SharedModel(PyTorchModelHubMixin, library_name='msvit', tags=['msvit'], paper_url='https://arxiv.org/abs/2307.02321'):
    """``from_pretrained``, ``save_pretrained`` and ``push_to_hub`` by huggingface_hub's mixin.

    The gate is kept with what was set after its construction: calibration, threshold, budget. A model that is loaded is in
    evaluation mode. A stranger's folder is only data: its config can name gates of msvit and nothing else to build.
    """

    gate: BaseGate | None
    gate_loss: nn.Module | None

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> str | None:
        """Write config and weights to a folder.

        Args:
            save_directory: is made.
            **kwargs: of huggingface_hub's ``save_pretrained``.

        Raises:
            ValueError: the gate was given as a module that no config tells of; give it as a config.
        """
        kwargs.setdefault('config', self._told())
        return super().save_pretrained(save_directory, **kwargs)

    def _told(self) -> dict[str, Any]:
        """The arguments that build this model anew, without weights to start from and without a loss."""
        config = self._hub_mixin_config
        arguments = dict(config) if isinstance(config, dict) else {}
        return {
            **arguments,
            'pretrained': None,
            'init_cfg': None,
            'gate_loss': None,
            'gate': _config_of(self.gate, arguments.get('gate')),
        }

    def _save_pretrained(self, save_directory: Path) -> None:
        loss, self.gate_loss = self.gate_loss, None  # what shaped the gate has done its work
        try:
            super()._save_pretrained(save_directory)
        finally:
            self.gate_loss = loss

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **kwargs: Any) -> 'SharedModel':
        _check_gate(kwargs.get('gate'))
        return super()._from_pretrained(strict=strict, **kwargs)


def _config_of(gate: BaseGate | None, given: Any) -> dict[str, Any] | None:
    """Tell what builds this gate."""
    if gate is None:
        return None
    kind = f'msvit.{type(gate).__name__}'
    if isinstance(gate, LearnedGate):
        settings = {name: getattr(gate, name) for name in SETTINGS}
        arguments = type(gate).arguments_of(gate.state_dict(), gate.coarse_patch_size)
        return {**arguments, **settings, 'type': kind, 'frozen': gate.frozen}
    if not isinstance(given, Mapping):
        raise ValueError(
            f'the gate was given as a {type(gate).__name__}, and config.json cannot tell how it was made: give the model its '
            f"config, gate=dict(type='{kind}', ...)"
        )
    moved = {name: getattr(gate, name) for name in ('threshold', 'fine_share') if hasattr(gate, name)}
    return {**given, **moved, 'type': kind}


def _check_gate(config: Any) -> None:
    """Raise ValueError unless the config of a gate builds a gate of msvit from plain figures."""
    if config is None or isinstance(config, BaseGate):
        return
    kind = str(config.get('type', '')) if isinstance(config, Mapping) else ''
    cls = getattr(gates, kind.removeprefix('msvit.'), None) if kind.startswith('msvit.') else None
    built_from = [] if cls is None else [name for name, value in config.items() if isinstance(value, Mapping)]
    if not isinstance(cls, type) or not issubclass(cls, BaseGate) or built_from:
        raise ValueError(f'config.json wants to build {config} as gate: gates of msvit alone are built, from plain figures')
