"""Weights to begin with, as OpenMMLab's configs name them."""

from os import PathLike
from typing import Any

from ..checks import check_pretrained
from .heads import load_classifier, load_segmenter_head


class Pretrained:
    """Begin with the weights of a checkpoint: ``init_cfg=dict(type='msvit.Pretrained', checkpoint=...)``.

    For the backbones of msvit, for heads of Segmenter and for mmpretrain's linear classifiers of a ViT. mmengine calls it when
    training begins, before ``load_from`` and ``--resume``; test and inference never do.

    Args:
        checkpoint: True (timm's weights), or a checkpoint of any supported origin, see `load_vit`.
        arch: timm's name of the model whose classifier is wanted, for True; a backbone knows its own.

    Raises:
        ValueError: ``checkpoint`` is neither.
        TypeError: ``arch`` is no text.
        CheckpointError: when it is called: the checkpoint cannot be read or does not fit.
    """

    wholemodule = False  # mmengine sets it

    def __init__(self, checkpoint: bool | str | PathLike, arch: str = ''):
        _check(checkpoint, arch)
        self.checkpoint, self.arch = checkpoint, arch

    def __call__(self, module: Any) -> None:
        """Load into a backbone or a head."""
        if hasattr(module, 'load_pretrained'):
            module.load_pretrained(self.checkpoint)
        elif hasattr(module, 'cls_emb'):
            load_segmenter_head(module, self.checkpoint)
        else:
            load_classifier(module, self.checkpoint, arch=self.arch)


def pretrained_init(pretrained: bool | str | PathLike | None, arch: str = '') -> dict[str, Any]:
    """Turn a ``pretrained`` argument (None, True or a checkpoint) into an ``init_cfg`` argument; raises as `Pretrained`."""
    _check(pretrained, arch)
    return {'init_cfg': dict(type='msvit.Pretrained', checkpoint=pretrained, arch=arch)} if pretrained else {}


def _check(pretrained: Any, arch: Any) -> None:
    check_pretrained(pretrained)
    if not isinstance(arch, str):
        raise TypeError(f'arch must be a timm model name, got {arch!r}')
