"""Teaching a gate directly: its probabilities against what each region deserves."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..parts import build_teacher
from .base import GateLoss


class TeachingLoss(GateLoss):
    """Teach the gate beside the model: binary cross-entropy of p_fine against what a teacher says of the same images.

    `GateLossHook` asks the teacher before each training step, whatever the host. A training loop of your own calls
    `bring` before each forward pass.

    Args:
        teacher: a `GateTeacher` or its config, such as ``dict(type='msvit.LabelTeacher')``.
        weight: lambda, multiplies the loss, >= 0.

    Raises:
        TypeError: ``teacher`` is neither.
        RuntimeError: in the forward pass, nobody brought a lesson.
        ValueError: the lesson speaks of another number of regions.
    """

    def __init__(self, teacher: Any, weight: float = 1.0):
        super().__init__(weight)
        self.teacher = build_teacher(teacher)
        self._lesson: Tensor | None = None

    def bring(self, lesson: Tensor) -> None:
        """Hand over what the next forward pass is to learn, see `GateTeacher.targets`."""
        self._lesson = lesson

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute ``loss_gate_teaching`` of (B, Hc, Wc) values in [0, 1]."""
        lesson, self._lesson = self._lesson, None
        if lesson is None:
            raise RuntimeError(
                "nobody brought the gate's lesson to this step: add custom_hooks=[dict(type='msvit.GateLossHook')] to "
                'the config, or call gate_loss.bring(targets) before each forward pass'
            )
        p_fine = self._joined(p_fine)
        logits = torch.logit(p_fine, eps=torch.finfo(p_fine.dtype).eps)
        return {'loss_gate_teaching': self.weight * teaching_loss(logits, lesson)}


def teaching_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the binary cross-entropy of a gate's log-odds against graded targets.

    Args:
        logits: (B, Hc, Wc), log-odds of fine.
        targets: (B, Hc, Wc) in [0, 1]; NaN where nothing is known of a region.

    Returns:
        The mean over the regions that are known; 0 where there are none.

    Raises:
        ValueError: the shapes differ.
    """
    if logits.shape != targets.shape:
        raise ValueError(f'the gate decides {tuple(logits.shape)} regions, and its teacher speaks of {tuple(targets.shape)}')
    known = ~targets.isnan()
    loss = F.binary_cross_entropy_with_logits(logits, targets.where(known, 0).to(logits.dtype), reduction='none')
    return (loss * known).sum() / known.sum().clamp(min=1)
