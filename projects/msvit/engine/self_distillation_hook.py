"""A mixed-scale model learns from the dense model that it was, without labels."""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from os import PathLike
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ..backbones.trace import untraced
from ..checkpoints import CheckpointError, read_checkpoint
from ..checks import check_path
from ..hosts.distillation import class_distillation
from ..necks import ReplicateTokens, UnfoldTokens
from .gate_loss_hook import find_gated
from .host import host_of


class SelfDistillationHook(Hook):
    """Put KL(dense || mixed) of the class scores in the place of the host's losses: of an image's, or of each cell's.

    Works for every host whose ``mode='tensor'`` gives class scores: mmseg's segmentors and mmpretrain's classifiers. The
    dense teacher is the host without its gate, frozen, with the weights of a checkpoint; the host's checkpoints lack it.

    Args:
        checkpoint: of the dense model: file, address or ``msvit://`` name.

    Raises:
        CheckpointError: at the start of training: the checkpoint cannot be read or does not fit the host without its gate.
        ValueError: ``checkpoint`` is empty; the host gives no class scores.
        TypeError: ``checkpoint`` is no name.
    """

    priority = 'VERY_HIGH'

    def __init__(self, checkpoint: str | PathLike):
        check_path('checkpoint', checkpoint)
        self.checkpoint = checkpoint

    def before_train(self, runner: Runner) -> None:
        """Make the teacher, and take over the host's loss."""
        host = host_of(runner)
        host.loss = partial(_loss, host, dense_twin(host, self.checkpoint))


def dense_twin(host: nn.Module, checkpoint: str | PathLike) -> nn.Module:
    """A copy of a host without gates, with the weights of a checkpoint, frozen and in evaluation mode.

    Raises:
        CheckpointError: the checkpoint cannot be read or does not fit.
    """
    twin = deepcopy(host)
    for backbone in find_gated(twin):
        backbone.gate, backbone.gate_loss = None, None
    if isinstance(getattr(twin, 'neck', None), UnfoldTokens):
        twin.neck = ReplicateTokens()  # the same where all tokens are fine; the dense model has no weights for the other
    try:
        twin.load_state_dict(read_checkpoint(checkpoint))
    except RuntimeError as error:
        raise CheckpointError(f'{checkpoint} does not fit the model without its gate. {error}') from error
    return twin.requires_grad_(False).eval()


def _loss(host: nn.Module, teacher: nn.Module, inputs: Tensor, data_samples: Sequence[Any] | None = None) -> dict[str, Tensor]:
    with torch.no_grad(), untraced():  # metrics count the tokens of every other pass in evaluation mode
        wanted = teacher(inputs, mode='tensor')
    scores = host(inputs, mode='tensor')
    if not isinstance(scores, Tensor) or scores.shape[1] < 2:
        raise ValueError(
            f'a {type(host).__name__} gives no scores of several classes for an image or its pixels, so its dense twin cannot '
            'teach it: train with labels'
        )
    return dict(loss_distill=class_distillation(_rows(scores), _rows(wanted)))


def _rows(scores: Tensor) -> Tensor:
    """(B, classes, ...) as (N, classes)."""
    return scores.movedim(1, -1).flatten(0, -2)
