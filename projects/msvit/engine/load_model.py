"""A trained model, ready for inference."""

import logging
from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor, nn

from ..checkpoints import CheckpointError, read_checkpoint
from ..checkpoints.gate import SETTINGS, find_gate
from ..checkpoints.io import local_file
from ..compat import require_scope
from ..parts import class_name


def load_model(cfg: Config, checkpoint: str | Path) -> nn.Module:
    """Build a config's model with the weights of a checkpoint, in evaluation mode, on the CPU.

    Weights that training would start from are not fetched; no code of the checkpoint runs.

    Args:
        cfg: of an OpenMMLab project; its ``default_scope`` (mmseg where it has none) becomes the current one.
        checkpoint: file, address or ``msvit://`` name of the whole model's weights.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: it cannot be read, or does not fit the model.
        ImportError: the config wants mmdet, and it is not installed.
    """
    weights = read_checkpoint(checkpoint)
    model = _build(cfg, weights)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f'{checkpoint} does not fit the model of the config. {error}') from error
    return model


def build_model(cfg: Config) -> nn.Module:
    """Build a config's model with random weights, in evaluation mode, on the CPU; as `load_model`."""
    return _build(cfg, None)


def _build(cfg: Config, weights: dict[str, Tensor] | None) -> nn.Module:
    scope = cfg.get('default_scope', 'mmseg')
    require_scope(scope)
    init_default_scope(scope)
    settings = deepcopy(cfg.model)
    settings.pop('init_cfg', None)
    if cfg.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)  # as mmengine's runner does
    forget_pretrained(settings, weights)
    return MODELS.build({**settings, 'train_cfg': None}).eval()


def forget_pretrained(model: dict, trained: str | Path | dict[str, Tensor] | None = None, prefix: str = '') -> None:
    """Leave out the initial weights of a model whose trained checkpoint is loaded anyway: they may not be at hand any more.

    A gate whose own file is gone becomes an untrained one of the kind and shape that it has in the trained checkpoint. The
    threshold and the budget that only that file told are lost, with a warning; those in the config stay.

    Args:
        model: settings of a model, is changed.
        trained: the checkpoint, or its tensors by name; None: such a gate becomes an `MLPGate` of the default shape.
        prefix: of the names in the checkpoint that belong to these settings.
    """
    for key, value in list(model.items()):
        if key == 'pretrained':
            model[key] = None
        elif key == 'gate' and value is not None:
            model[key] = _without_file(value, trained, f'{prefix}gate.')
        elif isinstance(value, dict):
            forget_pretrained(value, trained, f'{prefix}{key}.')


def _without_file(gate: Any, trained: str | Path | dict[str, Tensor] | None, prefix: str) -> Any:
    """The settings of a gate, or those of an untrained one in its place where its file is gone."""
    if isinstance(gate, str | PathLike):
        gate = dict(type='msvit.TrainedGate', checkpoint=gate)
    if not isinstance(gate, dict) or 'type' not in gate or class_name(gate) not in ('TrainedGate', 'build_trained_gate'):
        return gate
    try:
        local_file(str(gate['checkpoint']))
        return gate
    except (FileNotFoundError, CheckpointError) as error:
        reason = error
    kind, settings = 'MLPGate', {name: gate[name] for name in SETTINGS if name in gate}
    print_log(
        f'{reason}. The gate is built without it: its weights come from the trained checkpoint, threshold and budget from the '
        f'config ({settings or "none there: the defaults"}). If the file told others, state them in the config',
        logger='current',
        level=logging.WARNING,
    )
    if trained is not None:
        weights = trained if isinstance(trained, dict) else read_checkpoint(trained)
        below = any(name.startswith(prefix) for name in weights)
        found = find_gate(weights, prefix=prefix if below else '')
        kind, settings = found.kind.__name__, settings | found.arguments()
    return dict(type=f'msvit.{kind}', frozen=gate.get('frozen', True), **settings)
