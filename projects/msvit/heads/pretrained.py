"""Linear classifiers whose weights come from the checkpoint that the backbone's come from.

A ViT that knows the classes already, such as DeiT on ImageNet, keeps them: fine-tuning at small learning rates could hardly
find them anew.
"""

from os import PathLike
from typing import Any

from mmpretrain.models.heads import DeiTClsHead, VisionTransformerClsHead
from torch import Tensor

from ..checkpoints import load_classifier
from ..checks import check_pretrained


class _Pretrained:
    """Mixin in front of mmpretrain's heads.

    Args:
        pretrained: None (zeros, as mmpretrain begins), True (timm's weights of ``arch``), or a checkpoint of timm, DeiT,
            mmpretrain or msvit.
        arch: a timm model name, for ``pretrained=True``.
        **kwargs: of mmpretrain's head: ``num_classes``, ``in_channels``, ``loss``, ...

    Raises:
        TypeError: ``arch`` is no text.
        ValueError: ``pretrained`` is none of these.
        CheckpointError: when the model's weights are initialised: the checkpoint has no classifier of these shapes.
    """

    def __init__(self, *, pretrained: bool | str | PathLike | None = None, arch: str = '', **kwargs: Any):
        super().__init__(**kwargs)
        check_pretrained(pretrained)
        if not isinstance(arch, str):
            raise TypeError(f'arch must be a timm model name, got {arch!r}')
        self.pretrained, self.arch = pretrained, arch

    def init_weights(self) -> None:
        """OpenMMLab's runner calls this; weights of ``load_from`` and ``--resume`` come after it."""
        super().init_weights()
        if self.pretrained:
            load_classifier(self, self.pretrained, arch=self.arch)


class PretrainedClsHead(_Pretrained, VisionTransformerClsHead):
    """mmpretrain's ``VisionTransformerClsHead`` with pretrained weights."""


class PretrainedDeiTClsHead(_Pretrained, DeiTClsHead):
    """mmpretrain's ``DeiTClsHead``, the mean of a classifier for each of two tokens, with pretrained weights.

    In training too: without a teacher both learn from the labels.
    """

    def forward(self, feats: tuple[tuple[Tensor, Tensor], ...]) -> Tensor:
        """Class scores (B, num_classes) of the last pair of class and distillation token, (B, C) each."""
        cls_token, dist_token = self.pre_logits(feats)
        return (self.layers.head(cls_token) + self.layers.head_dist(dist_token)) / 2
