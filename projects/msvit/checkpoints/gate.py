"""A trained gate out of any checkpoint, for any host; and into a file of its own."""

import json
import os
import re
from collections.abc import Sequence
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import print_log
from torch import Tensor

from ..gates.mlp import MLPGate
from ..gates.normalization import Normalization, renormalize_gate
from ..registry import MODELS
from .errors import CheckpointError
from .io import read_checkpoint, read_metadata, save_weights

SETTINGS = ('threshold', 'budget', 'temperature')  # of MLPGate: not in its weights, so in a file's metadata
_TOLD = ('mean', 'std', 'coarse_patch_size', *SETTINGS)
_LAYER = re.compile(r'((?:.+\.)?)(mlp\.(\d+)\.(?:weight|bias))')


class GateShape(NamedTuple):
    """What the shapes of a gate's tensors tell: arguments of `MLPGate`."""

    in_channels: int
    coarse_patch_size: int
    hidden_dims: tuple[int, ...]


def load_gate(
    source: str | os.PathLike | dict[str, Tensor],
    *,
    frozen: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    prefix: str = '',
    **settings: Any,
) -> MLPGate:
    """Take the gate out of a checkpoint, for any host and input size (section 4.2: one pretrained gate, many backbones).

    Its widths, channels and region size follow from the shapes. Its threshold, budget and temperature are those given here,
    else those that the file's metadata tells, else `MLPGate`'s defaults: files of ``export_gate.py`` have such metadata,
    training checkpoints have none, as there the config says it.

    Args:
        source: file (safetensors or torch), http(s) address, ``msvit://`` name, or tensors by name; a gate alone, or a model
            that holds one at any depth, such as a runner's checkpoint.
        frozen: keep its weights and make it deterministic, also while the host trains (`BaseGate.freeze`); False: it goes on
            training.
        mean: the host's normalisation in 0..255, one value for each channel. Where it differs from that of the gate's
            training, which only the metadata tells, the change is folded into the first layer, see `renormalize_gate`.
            None: the host normalises as the gate's training did.
        std: see ``mean``.
        prefix: take the gate whose names begin with this; only needed where there are several.
        **settings: ``threshold``, ``budget``, ``temperature``, see `MLPGate`.

    Returns:
        The gate; frozen or in training mode.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: unreadable or unsafe file, no gate or several gates in it, or metadata that makes no sense.
        ValueError: mean without std, a normalisation but a file that does not tell the gate's, or a setting out of range.
        TypeError: an unknown setting.
    """
    if unknown := settings.keys() - set(SETTINGS):
        raise TypeError(f'unknown settings of a trained gate: {", ".join(sorted(unknown))}; it has {", ".join(SETTINGS)}')
    host = Normalization.of(mean, std)
    if isinstance(source, dict):
        state, metadata, label = source, {}, 'the given tensors'
    else:
        state, metadata, label = read_checkpoint(source), _described(source), str(source)
    tensors = find_gate(state, label, prefix)
    try:
        trained = Normalization.of(metadata.pop('mean', None), metadata.pop('std', None))
        shape = shape_of_gate(tensors, metadata.pop('coarse_patch_size', None))
        gate = MLPGate(**shape._asdict(), **metadata)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f'the metadata of {label} makes no sense: {error}') from error
    if host and not trained:
        raise ValueError(
            f'{label} does not tell how pixels were normalised when its gate was trained, so the gate cannot be fitted to '
            f'mean={host.mean}, std={host.std}: write it anew with tools/model_converters/export_gate.py, which takes this '
            'from the config of the training; or leave mean and std out where the host normalises as that training did'
        )
    for name, value in settings.items():
        setattr(gate, name, value)
    gate.check_settings()
    gate.load_state_dict(tensors)
    change = ''
    if host and host != trained:
        renormalize_gate(gate, trained, host)
        change = f', fitted to mean={host.mean}, std={host.std}'
    if not isinstance(source, dict):
        pixels = f'; trained on pixels of mean={trained.mean}, std={trained.std}{change}' if trained else ''
        print_log(f'gate for regions of {gate.coarse_patch_size} pixels taken from {label}{pixels}', logger='current')
    return gate.freeze() if frozen else gate


@MODELS.register_module(name='TrainedGate')
def build_trained_gate(checkpoint: str | os.PathLike, **settings: Any) -> MLPGate:
    """`load_gate` for configs: ``dict(type='msvit.TrainedGate', checkpoint=..., frozen=True, mean=..., std=...)``.

    The host's checkpoint holds the gate too, so to test a trained host or to load it with `load_model` the gate's own file
    need not be there any more. Threshold and budget are in no weights: those that only its metadata told are then lost, with
    a warning; state them in the config to be safe.

    Args:
        checkpoint: ``source`` of `load_gate`.
        **settings: the other arguments of `load_gate`.
    """
    return load_gate(checkpoint, **settings)


def read_gate_normalization(source: str | os.PathLike) -> Normalization | None:
    """How pixels were normalised when the gate of a file was trained; None where the file does not tell.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: metadata that makes no sense, or a failed download.
    """
    told = _described(source)
    try:
        return Normalization.of(told.get('mean'), told.get('std'))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f'the metadata of {source} makes no sense: {error}') from error


def find_gate(state: dict[str, Tensor], label: str = 'the checkpoint', prefix: str = '') -> dict[str, Tensor]:
    """The tensors of the one learned gate in a model's state, under the names that `MLPGate` gives them.

    Args:
        state: tensors by name; the gate is known by its form, an MLP with one output over square patches.
        label: of the state, for messages.
        prefix: see `load_gate`.

    Raises:
        CheckpointError: there is no gate, or more than one.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        match = _LAYER.fullmatch(name)
        if match and name.startswith(prefix):
            groups.setdefault(match[1], {})[match[2]] = value
    gates = {name: tensors for name, tensors in groups.items() if _is_gate(tensors)}
    if len(gates) == 1:
        return next(iter(gates.values()))
    if gates:
        names = ', '.join(f'{name}mlp.*' for name in gates)
        raise CheckpointError(
            f'{label} holds {len(gates)} gates, {names}: choose one, for instance prefix={next(iter(gates))!r}'
        )
    parts = sorted({name.split('.')[0] for name in state})
    found = f'{len(state)} tensors of {", ".join(parts[:8])}{", ..." if len(parts) > 8 else ""}'
    below = f' below {prefix!r}' if prefix else ''
    raise CheckpointError(
        f'{label} holds no learned gate{below} (mlp.0.weight and on, for instance backbone.gate.mlp.0.weight), but {found}: '
        "train a mixed-scale backbone with gate=dict(type='msvit.MLPGate') and give its checkpoint"
    )


def shape_of_gate(tensors: dict[str, Tensor], coarse_patch_size: int | None = None) -> GateShape:
    """The arguments of the `MLPGate` that these tensors, as of `find_gate`, belong to.

    Args:
        tensors: by name.
        coarse_patch_size: where it is known; None: that of three channels, or else of one.

    Raises:
        ValueError: the first layer does not read patches of that size.
    """
    weights = [tensors[f'mlp.{index}.weight'] for index in range(0, len(tensors), 2)]
    inputs, hidden_dims = weights[0].shape[1], tuple(weight.shape[0] for weight in weights[:-1])
    if coarse_patch_size is None:
        return GateShape(*_patch_of(inputs), hidden_dims)
    if inputs % coarse_patch_size**2:
        raise ValueError(f'the gate reads {inputs} values, which are no patches of {coarse_patch_size} pixels')
    return GateShape(inputs // coarse_patch_size**2, coarse_patch_size, hidden_dims)


def save_gate(gate: MLPGate, path: str | os.PathLike, normalization: Normalization, *, half: bool = False) -> Path:
    """Write a gate as a safetensors file that tells all a new host needs.

    Args:
        gate: of RGB images.
        path: file to write, ``.safetensors``.
        normalization: of the pixels that the gate was trained with.
        half: store half-precision weights.

    Returns:
        The path written.

    Raises:
        ValueError: another suffix, or weights that are not finite in half precision.
    """
    state = gate.state_dict()
    if half:
        state = {name: value.half() for name, value in state.items()}
    if not all(value.isfinite().all() for value in state.values()):
        raise ValueError('the gate has weights that are not finite' + (' in half precision: leave half out' if half else ''))
    told = {name: getattr(normalization if name in ('mean', 'std') else gate, name) for name in _TOLD}
    return save_weights(state, path, metadata={name: json.dumps(value) for name, value in told.items()})


def _described(source: str | os.PathLike) -> dict[str, Any]:
    """What the metadata of a file tells of its gate."""
    metadata = read_metadata(source)
    try:
        return {name: json.loads(metadata[name]) for name in _TOLD if name in metadata}
    except json.JSONDecodeError as error:
        raise CheckpointError(f'the metadata of {source} makes no sense: {error}') from error


def _is_gate(tensors: dict[str, Tensor]) -> bool:
    """Whether these are linear layers with a nonlinearity after each, from a square patch to one number."""
    indices = range(0, len(tensors), 2)
    if set(tensors) != {f'mlp.{index}.{kind}' for index in indices for kind in ('weight', 'bias')}:
        return False
    weights, biases = ([tensors[f'mlp.{index}.{kind}'] for index in indices] for kind in ('weight', 'bias'))
    if any(weight.dim() != 2 or bias.shape != weight.shape[:1] for weight, bias in zip(weights, biases, strict=True)):
        return False
    chained = all(after.shape[1] == before.shape[0] for before, after in zip(weights, weights[1:], strict=False))
    return chained and len(weights[-1]) == 1 and _patch_of(weights[0].shape[1]) is not None


def _patch_of(inputs: int) -> tuple[int, int] | None:
    """Channels and side of the square patch of so many values; no number is both a square and three times one."""
    for channels in (3, 1):
        side = isqrt(inputs // channels)
        if side and channels * side**2 == inputs:
            return channels, side
    return None
