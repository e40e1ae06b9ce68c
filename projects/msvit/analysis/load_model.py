"""A trained model, ready for inference."""

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
    settings = cfg.model.copy()
    settings.pop('init_cfg', None)
    settings.backbone = {**settings.backbone, 'pretrained': None}
    weights = read_checkpoint(checkpoint)
    model = MODELS.build({**settings, 'pretrained': None, 'train_cfg': None})
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f'{checkpoint} does not fit the model of the config. {error}') from error
    return model.eval()
