"""Teaching a gate directly: its probabilities against what each region deserves."""

import torch.nn.functional as F
from torch import Tensor


def teaching_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of a gate's log-odds against graded targets.

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
