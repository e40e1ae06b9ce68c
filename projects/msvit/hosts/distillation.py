"""What a student loses by differing from its teacher: the terms of DynamicViT (https://arxiv.org/abs/2106.02034)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def class_distillation(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL(teacher || student) of the class probabilities, mean over the batch.

    Args:
        logits, teacher_logits: (B, classes).

    Returns:
        A scalar >= 0.
    """
    return _divergence(*_precise(logits, teacher_logits)).mean()


def token_distillation(tokens: Tensor, targets: Tensor, kept: Tensor | None = None, kind: str = 'mse') -> Tensor:
    """Distance between the features of student and teacher, mean over the kept tokens of the whole batch.

    Args:
        tokens, targets: (..., L, C).
        kept: (..., L) bool, the tokens that count; None: all of them.
        kind: ``'mse'``: mean square over the channels. ``'kl'``: KL(teacher || student) of the features' softmax.

    Returns:
        A scalar >= 0; 0, with a gradient of zeros, where no token is kept.
    """
    tokens, targets = _precise(tokens, targets)
    each = TOKEN_LOSSES[kind](tokens, targets)
    if kept is None:
        return each.mean()
    return each.where(kept, 0).sum() / kept.sum().clamp(min=1)


def _mean_square(tokens: Tensor, targets: Tensor) -> Tensor:
    return (tokens - targets).square().mean(dim=-1)


def _divergence(tokens: Tensor, targets: Tensor) -> Tensor:
    student, teacher = tokens.log_softmax(dim=-1), targets.log_softmax(dim=-1)
    return F.kl_div(student, teacher, reduction='none', log_target=True).sum(dim=-1)


def _precise(*tensors: Tensor) -> tuple[Tensor, ...]:
    """At least float32: half precision would round small differences away, and squares overflow in it."""
    return tuple(x.to(torch.promote_types(x.dtype, torch.float32)) for x in tensors)


TOKEN_LOSSES = {'mse': _mean_square, 'kl': _divergence}
