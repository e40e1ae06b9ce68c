"""What the gate losses share."""

import warnings
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ..checks import check_flag, check_not_negative
from .joined_batch import join_ranks


class GateLoss(nn.Module, ABC):
    """Base of the losses on the gate's relaxed decisions.

    Args:
        weight: lambda, multiplies every term, >= 0.
        gather: join the values of all processes of torch.distributed before the loss, see `join_ranks`.
    """

    def __init__(self, weight: float = 1.0, gather: bool = False):
        super().__init__()
        check_not_negative('weight', weight)
        check_flag('gather', gather)
        self.weight = weight
        self.gather = gather
        self._warned = False

    @abstractmethod
    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute named terms of (B, Hc, Wc) values in [0, 1], the names beginning with ``loss_gate``, times the weight."""

    def _joined(self, p_fine: Tensor) -> Tensor:
        """The checked values in float32 or better, of all ranks with ``gather``."""
        if p_fine.dim() != 3:
            raise ValueError(f'p_fine must have shape (B, Hc, Wc), got {tuple(p_fine.shape)}')
        p_fine = p_fine.to(torch.promote_types(p_fine.dtype, torch.float32))
        p_fine = join_ranks(p_fine) if self.gather else p_fine
        if p_fine.numel() == 0:
            raise ValueError(f'p_fine holds no values, its shape is {tuple(p_fine.shape)}')
        return p_fine

    def _no_distribution(self, *inputs: Tensor) -> Tensor:
        """Prior term where a distribution would consist of one value: 0, with zero gradient to the inputs, and a warning."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f'{type(self).__name__}: one gate value is no distribution over a batch, loss_gate_prior is 0 for this batch. '
                'Use larger batches, or join the batches of all processes (gather=True), or, with GBaSLoss, remember past '
                'images (memory=64)',
                stacklevel=3,
            )
        return torch.stack([tensor.sum() for tensor in inputs]).sum() * 0.0
