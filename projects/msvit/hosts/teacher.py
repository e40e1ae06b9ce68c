"""A trained classifier that another one learns from."""

import logging
from collections.abc import Callable
from copy import deepcopy
from os import PathLike
from typing import Any, cast

import torch
from mmengine.logging import print_log
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..backbones import MSDyViT, MSEViT, MSViT
from ..backbones.trace import untraced
from ..checkpoints import CheckpointError, read_checkpoint
from ..tokens import MixedTokens


class FrozenTeacher:
    """A dense classifier in evaluation mode that never trains.

    It is no module, so it appears in no state dict, optimiser, hook or metric of the model that holds it. It is built when
    training first asks for it: inference neither fetches its weights nor keeps them in memory.

    Args:
        classifier: config of an mmpretrain ``ImageClassifier`` (the ``type`` may be left out) on `MSViT` or `MSDeiT` without
            a gate, or such a module. Its ``pretrained``, a checkpoint of the whole classifier, must fit tensor for tensor;
            without it, backbone and head bring their weights by their own ``pretrained``.

    Raises:
        TypeError: it is neither a config nor a classifier.
    """

    def __init__(self, classifier: dict[str, Any] | ImageClassifier):
        if not isinstance(classifier, (dict, ImageClassifier)):
            raise TypeError(
                'the teacher (a classifier) must be the config of an ImageClassifier, such as dict(backbone=..., head=...), '
                f'or an ImageClassifier, got {type(classifier).__name__}'
            )
        self._classifier = classifier if isinstance(classifier, dict) else _frozen(classifier)

    def module(self, like: Tensor) -> ImageClassifier:
        """The classifier, built if it is not yet.

        Args:
            like: a parameter of the student, or its images: a new teacher takes their device and precision.

        Raises:
            CheckpointError: the weights do not fit.
            ValueError: it has no head, a gate, or a backbone that gives no tokens.
        """
        if isinstance(self._classifier, dict):
            with torch.random.fork_rng(devices=[]):  # the student's noise must not depend on when the teacher is built
                built = _frozen(_build(self._classifier))
            self._classifier = cast(ImageClassifier, built.to(device=like.device, dtype=like.dtype))
        return self._classifier

    @torch.no_grad()
    def teach(self, images: Tensor) -> tuple[Tensor, MixedTokens]:
        """Class scores (B, classes), and the final tokens.

        Args:
            images: (B, 3, H, W), normalised as the teacher's weights want.
        """
        teacher: Any = self.module(images)  # its parts are what its config builds
        with untraced():  # metrics count the tokens of every other pass in evaluation mode
            tokens = teacher.backbone.forward_tokens(images)
        feats = (teacher.backbone.class_feature(tokens),)
        return teacher.head(teacher.neck(feats) if teacher.with_neck else feats), tokens

    def apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> None:
        """Follow the student's ``_apply``: to another device or precision."""
        if not isinstance(self._classifier, dict):
            self._classifier._apply(function, recurse)


def check_host(classifier: ImageClassifier, name: str) -> None:
    """Refuse a classifier that gives no tokens besides its classes.

    Raises:
        ValueError: naming what to change.
    """
    backbone: Any = classifier.backbone
    if not hasattr(backbone, 'forward_tokens') or not hasattr(backbone, 'class_feature'):
        raise ValueError(f"{name} needs a backbone of msvit's ViTs, such as msvit.MSDeiT, got {type(backbone).__name__}")
    if backbone.out_type != 'cls_token':
        raise ValueError(f"{name}'s backbone has out_type={backbone.out_type!r}: give it out_type='cls_token'")
    if not classifier.with_head:
        raise ValueError(f"{name} has no head: add head=dict(type='VisionTransformerClsHead', ...)")


def _build(config: dict[str, Any]) -> ImageClassifier:
    """The classifier of a config, its weights loaded."""
    config = {'type': 'mmpretrain.ImageClassifier', **deepcopy(dict(config))}
    checkpoint = config.pop('pretrained', None)
    if not checkpoint and not _names_weights(config):
        print_log('The teacher has random weights: its config names none (pretrained=...).', 'current', logging.WARNING)
    teacher = MODELS.build(config)
    teacher.init_weights()
    if checkpoint:
        _load(teacher, checkpoint)
    return teacher


def _load(teacher: nn.Module, checkpoint: str | PathLike) -> None:
    try:
        teacher.load_state_dict(read_checkpoint(checkpoint))
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint} does not fit the teacher's config. {error}") from error


def _names_weights(config: Any) -> bool:
    parts = config.items() if isinstance(config, dict) else ()
    return any(key in ('pretrained', 'init_cfg') and bool(value) or _names_weights(value) for key, value in parts)


def _frozen(teacher: ImageClassifier) -> ImageClassifier:
    check_host(teacher, 'the teacher')
    backbone = cast(MSViT, teacher.backbone)
    gate = backbone.gate
    if gate is not None or isinstance(backbone, (MSDyViT, MSEViT)):
        found = type(backbone).__name__ + ('' if gate is None else f' with gate {type(gate).__name__}')
        raise ValueError(f'the teacher must be dense: give it MSViT or MSDeiT as backbone, without a gate, got {found}')
    return teacher.requires_grad_(False).eval()
