"""Linear classifiers whose weights come from the checkpoint that the backbone's come from.

A ViT that knows the classes already, such as DeiT on ImageNet, keeps them: fine-tuning at small learning rates could hardly
find them anew. ``init_cfg=dict(type='msvit.Pretrained', ...)`` does the same for mmpretrain's own heads.
"""

from os import PathLike
from typing import Any

from mmpretrain.models.heads import DeiTClsHead, VisionTransformerClsHead
from torch import Tensor

from ..checkpoints.pretrained import pretrained_init


class PretrainedClsHead(VisionTransformerClsHead):
    """mmpretrain's ``VisionTransformerClsHead`` with pretrained weights.

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
        super().__init__(**{**kwargs, **pretrained_init(pretrained, arch)})


class PretrainedDeiTClsHead(DeiTClsHead):
    """mmpretrain's ``DeiTClsHead``, the mean of a classifier for each of two tokens, with pretrained weights.

    In training too: without a teacher both learn from the labels. Arguments and errors are those of `PretrainedClsHead`.
    """

    def __init__(self, *, pretrained: bool | str | PathLike | None = None, arch: str = '', **kwargs: Any):
        super().__init__(**{**kwargs, **pretrained_init(pretrained, arch)})

    def forward(self, feats: Any) -> Tensor:
        """Class scores (B, num_classes) of the last of a tuple of pairs of class and distillation token, (B, C) each."""
        tokens: Any = self.pre_logits(feats)  # a pair, which mmpretrain's annotation does not tell
        cls_token, dist_token = tokens
        return (self.layers.get_submodule('head')(cls_token) + self.layers.get_submodule('head_dist')(dist_token)) / 2
