"""A trained gate out of any checkpoint, for any host; and into a file of its own."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..checks import check_flag, check_path
from ..gates import LEARNED_KINDS, LearnedGate, Normalization, renormalize_gate
from ..logs import log
from .errors import CheckpointError, first_of
from .finite import check_finite, check_weights, halved
from .io import making_sense_of, read_checkpoint, read_metadata
from .save import save_weights

SETTINGS = ('threshold', 'budget', 'temperature')  # of a LearnedGate: not in its weights, so in a file's metadata
_TOLD = ('mean', 'std', 'coarse_patch_size', *SETTINGS)


class FoundGate(NamedTuple):
    """A learned gate in a model's state: its kind, and its tensors by the names that the gate gives them."""

    kind: type[LearnedGate]
    tensors: dict[str, Tensor]

    def arguments(self, coarse_patch_size: int | None = None) -> dict[str, Any]:
        """Find the arguments that build it, see `LearnedGate.arguments_of`."""
        return self.kind.arguments_of(self.tensors, coarse_patch_size)


def load_gate(
    source: str | os.PathLike | dict[str, Tensor],
    *,
    frozen: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    prefix: str = '',
    **settings: Any,
) -> LearnedGate:
    """Take the gate out of a checkpoint, for any host and input size (section 4.2: one pretrained gate, many backbones).

    Its kind, widths, channels and region size follow from the tensors. Its threshold, budget and temperature are those given
    here, else those that the file's metadata tells, else its kind's defaults: files of ``export_gate.py`` have such metadata,
    training checkpoints have none, as there the config says it.

    Args:
        source: what `read_checkpoint` takes, or tensors by name; a gate alone, or a model that holds one at any depth.
        frozen: keep its weights and make it deterministic, also while the host trains (`BaseGate.freeze`).
        mean: the host's normalisation in 0..255, one value for each channel. Where it differs from that of the gate's
            training, which only the metadata tells, the change is folded into the first layer, see `renormalize_gate`.
            None: the host normalises as the gate's training did.
        std: see ``mean``.
        prefix: take the gate whose names begin with this; only needed where there are several.
        **settings: ``threshold``, ``budget``, ``temperature``, see `LearnedGate`.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: unreadable or unsafe file, no gate or several gates in it, or metadata that makes no sense.
        ValueError: mean without std, a normalisation but a file that does not tell the gate's, or a setting out of range.
        TypeError: an unknown setting.
    """
    if unknown := settings.keys() - set(SETTINGS):
        raise TypeError(f'unknown settings of a trained gate: {", ".join(sorted(unknown))}; it has {", ".join(SETTINGS)}')
    check_flag('frozen', frozen)
    if not isinstance(prefix, str):
        raise TypeError(f'prefix must be a text, got {prefix!r}')
    host = Normalization.of(mean, std)
    if isinstance(source, dict):
        if not source:
            raise CheckpointError('source holds no tensors')
        state, metadata, label = source, {}, 'the given tensors'
    else:
        check_path('source', source)
        state, metadata, label = read_checkpoint(source), _described(source), str(source)
    found = find_gate(state, label, prefix)
    with making_sense_of(label):
        trained = Normalization.of(metadata.pop('mean', None), metadata.pop('std', None))
        arguments = found.arguments(metadata.pop('coarse_patch_size', None))
        gate = found.kind(**arguments, **metadata)
    if host and not trained:
        raise ValueError(
            f'{label} does not tell how pixels were normalised when its gate was trained, so the gate cannot be fitted to '
            f'mean={host.mean}, std={host.std}: write it anew with tools/model_converters/export_gate.py, which takes this '
            'from the config of the training; or leave mean and std out where the host normalises as that training did'
        )
    for name, value in settings.items():
        setattr(gate, name, value)
    gate.check_settings()
    check_weights(found.tensors, gate.state_dict(), label)
    gate.load_state_dict(found.tensors)
    pixels = f'; trained on pixels of mean={trained.mean}, std={trained.std}' if trained else ''
    if host and trained and host != trained:
        renormalize_gate(gate, trained, host)
        pixels += f', fitted to mean={host.mean}, std={host.std}'
    if not isinstance(source, dict):
        log(f'gate for regions of {gate.coarse_patch_size} pixels taken from {label}{pixels}')
    return gate.freeze() if frozen else gate


def build_trained_gate(checkpoint: str | os.PathLike, **settings: Any) -> LearnedGate:
    """Load a gate as configs name it: ``dict(type='msvit.TrainedGate', checkpoint=..., frozen=True, mean=..., std=...)``.

    The host's checkpoint holds the gate too, so to test a trained host or to load it with `load_model` the gate's own file
    need not be there any more. Threshold and budget are in no weights: those that only its metadata told are then lost, with
    a warning; state them in the config to be safe.
    """
    return load_gate(checkpoint, **settings)


def read_gate_normalization(source: str | os.PathLike) -> Normalization | None:
    """Tell how pixels were normalised when the gate of a file was trained; None where the file does not tell.

    Source and errors are those of `load_gate`.
    """
    told = _described(source)
    with making_sense_of(source):
        return Normalization.of(told.get('mean'), told.get('std'))


def find_gate(state: dict[str, Tensor], label: str = 'the checkpoint', prefix: str = '') -> FoundGate:
    """Find the one learned gate in a model's state, below a prefix, by the names and shapes of its tensors.

    Raises:
        CheckpointError: there is no gate, or more than one.
    """
    gates = dict(_gates_in({name: value for name, value in state.items() if name.startswith(prefix)}))
    if not gates:
        found = f'{len(state)} tensors of {first_of(sorted({name.split(".")[0] for name in state}), 8)}'
        where = f' below prefix={prefix!r}' if prefix else ''
        raise CheckpointError(
            f'{label} holds no learned gate{where} (such as backbone.gate.mlp.0.weight and on), but {found}: train a '
            "mixed-scale backbone with gate=dict(type='msvit.MLPGate') or dict(type='msvit.ContextGate') and give its "
            'checkpoint'
        )
    if len(gates) > 1:
        names = sorted(gates)
        listed = ', '.join(f'{name}*' for name in names)
        raise CheckpointError(f'{label} holds {len(gates)} gates, {listed}: choose one, for instance prefix={names[0]!r}')
    return gates.popitem()[1]


def save_gate(gate: LearnedGate, path: str | os.PathLike, normalization: Normalization, *, half: bool = False) -> Path:
    """Write a gate as a safetensors file that tells all a new host needs.

    Args:
        gate: of RGB images.
        path: file to write, ``.safetensors``.
        normalization: of the pixels that the gate was trained with.
        half: store half-precision weights.

    Raises:
        ValueError: another suffix, or weights that are not finite in half precision.
    """
    state = gate.state_dict()
    check_finite(state, 'the gate')
    told = {name: getattr(normalization if name in ('mean', 'std') else gate, name) for name in _TOLD}
    metadata = {name: json.dumps(value) for name, value in told.items()}
    return save_weights(halved(state) if half else state, path, metadata=metadata)


def _described(source: str | os.PathLike) -> dict[str, Any]:
    """Tell what the metadata of a file tells of its gate."""
    metadata = read_metadata(source)
    with making_sense_of(source):
        return {name: json.loads(metadata[name]) for name in _TOLD if name in metadata}


def _gates_in(state: dict[str, Tensor]) -> Iterator[tuple[str, FoundGate]]:
    """Yield all gates in a state, with what their names begin with."""
    for kind in LEARNED_KINDS:
        name_in_model = re.compile(rf'((?:.+\.)?)({kind.tensor_names})')
        groups: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            if match := name_in_model.fullmatch(name):
                groups.setdefault(match[1], {})[match[2]] = value
        for prefix, tensors in groups.items():
            with suppress(ValueError):
                kind.arguments_of(tensors)
                yield prefix, FoundGate(kind, tensors)
