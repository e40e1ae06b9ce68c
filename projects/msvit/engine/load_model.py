"""A trained model, ready for inference."""

from copy import deepcopy
from pathlib import Path

from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope

from ..checkpoints import CheckpointError, read_checkpoint
from ..compat import require_scope


def load_model(cfg: Config, checkpoint: str | Path) -> BaseModel:
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
    model = build_model(cfg)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f'{checkpoint} does not fit the model of the config. {error}') from error
    return model


def build_model(cfg: Config) -> BaseModel:
    """Build a config's model with random weights, in evaluation mode, on the CPU; as `load_model`."""
    scope = cfg.get('default_scope', 'mmseg')
    require_scope(scope)
    init_default_scope(scope)
    settings = deepcopy(cfg.model)
    settings.pop('init_cfg', None)
    if cfg.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)  # as mmengine's runner does
    return MODELS.build({**settings, 'train_cfg': None}).eval()
