"""The dense model that a conversion begins with."""

from typing import Any

from mmengine.config import Config
from mmpretrain.models.heads import MultiLabelClsHead

from ..analysis.model import AnalysedModel
from ..backbones import MSViT
from ..backbones.pruning import PruningDeiT
from ..checkpoints import CheckpointError, load_classifier, load_vit, read_checkpoint

# In every whole model on MSViT.
_EMBEDDING = 'backbone.patch_embed.proj.weight'


def load_dense(cfg: Config, checkpoint: str) -> tuple[AnalysedModel, bool]:
    """The trained dense model of a config.

    Args:
        cfg: of mmseg, mmpretrain or mmdet, with `MSViT` or `MSDeiT` as ``model.backbone``, without a gate.
        checkpoint: file, address or ``msvit://`` name of its weights; of a linear classifier also in the naming of timm, DeiT
            or mmpretrain's own ViT.

    Returns:
        The model, and whether the checkpoint has another library's naming.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: the checkpoint is that of a mixed-scale model, or of another model than the config's.
        ValueError: the backbone takes no gate, or has one already.
    """
    weights = read_checkpoint(checkpoint)
    dense = AnalysedModel(cfg)
    backbone = dense.backbone
    if not isinstance(backbone, MSViT) or isinstance(backbone, PruningDeiT):
        raise ValueError(f'convert knows models on msvit.MSViT and msvit.MSDeiT, this one is on {type(backbone).__name__}')
    if backbone.gate is not None:
        raise ValueError(
            f'the config has a gate ({type(backbone.gate).__name__}) already: convert takes the config of the dense model, '
            'with gate=None'
        )
    gates = [name for name in weights if '.gate.' in f'.{name}']
    if gates:
        raise CheckpointError(
            f'{checkpoint} is that of a mixed-scale model already: it holds a gate ({gates[0]}, ...). convert takes the '
            'checkpoint of the dense model'
        )
    if _EMBEDDING in weights or not hasattr(dense.model, 'head'):
        return AnalysedModel(cfg, checkpoint), False
    load_vit(backbone, checkpoint)
    load_classifier(dense.model.get_submodule('head'), checkpoint)
    return dense, True


def choose_teacher(dense: AnalysedModel, labels: bool) -> dict[str, Any]:
    """The config of who teaches the gate.

    Args:
        dense: see `load_dense`.
        labels: whether the training data have labels.

    Returns:
        With labels `LabelTeacher` for a segmentor, `BoxTeacher` for a detector; else `DenseTeacher`.

    Raises:
        ValueError: the model cannot be converted without labels.
    """
    if labels and dense.segments:
        return dict(type='msvit.LabelTeacher', ignore_index=getattr(dense.model.decode_head, 'ignore_index', 255))
    if labels and dense.detects:
        return dict(type='msvit.BoxTeacher')
    if not labels and (dense.detects or isinstance(getattr(dense.model, 'head', None), MultiLabelClsHead)):
        raise ValueError(
            f'a {type(dense.model).__name__} that gives {"boxes" if dense.detects else "several labels"} is converted with '
            "labels alone: leave out --images, so that the config's own training data serve"
        )
    return dict(type='msvit.DenseTeacher')
