"""A trained model, ready for inference."""

from copy import deepcopy
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from ..checkpoints import CheckpointError, read_checkpoint


def load_model(cfg: Config, checkpoint: str | Path) -> nn.Module:
    """Build a config's model with the weights of a checkpoint, in evaluation mode, on the CPU.

    Weights that training would start from are not fetched; no code of the checkpoint runs.

    Args:
        cfg: of an OpenMMLab project; its ``default_scope`` (mmseg where it has none) becomes the current one.
        checkpoint: file, address or ``msvit://`` name of the whole model's weights.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: it cannot be read, or does not fit the model.
    """
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    settings = deepcopy(cfg.model)
    settings.pop('init_cfg', None)
    forget_pretrained(settings)
    weights = read_checkpoint(checkpoint)
    model = MODELS.build({**settings, 'train_cfg': None})
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f'{checkpoint} does not fit the model of the config. {error}') from error
    return model.eval()


def forget_pretrained(model: dict) -> None:
    """Leave out the initial weights of a model whose trained checkpoint is loaded anyway: they may not be at hand any more."""
    for key, value in model.items():
        if key == 'pretrained':
            model[key] = None
        elif isinstance(value, dict):
            forget_pretrained(value)
