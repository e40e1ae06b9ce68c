"""One batch out of those of all processes, with gradient."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def join_ranks(values: Tensor) -> Tensor:
    """Join the ranks' batches along the first dimension, in the order of ranks.

    For losses that every rank computes from the joined batch, under data-parallel training that averages gradients over
    ranks (DistributedDataParallel): parameters then get the gradients of one process that holds the joined batch. Without
    torch.distributed, or with one process, the values are returned as they are. All ranks must call this equally often; the
    shapes are exchanged first, so that unequal ones are an error and no deadlock.

    Args:
        values: (B, ...), of equal shape on all ranks.

    Returns:
        (ranks * B, ...).

    Raises:
        ValueError: on every rank, the ranks' shapes differ.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return values
    shapes = [tuple(shape.tolist()) for shape in _all_gather(torch.tensor(values.shape, device=values.device))]
    if len(set(shapes)) > 1:
        raise ValueError(
            f'the gate values of the ranks cannot be joined, their shapes are {", ".join(map(str, shapes))}: give every rank '
            'the same number of equally large images (drop_last=True, or a sampler that fills up), or set gather=False'
        )
    return _JoinRanks.apply(values)


def _all_gather(tensor: Tensor) -> list[Tensor]:
    tensor = tensor.contiguous()
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor)
    return parts


class _JoinRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.batch = len(values)
        return torch.cat(_all_gather(values))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # every rank computes the same loss, so its own slice is complete; the average over ranks divides by their number
        own = dist.get_rank() * ctx.batch
        return grad[own : own + ctx.batch] * dist.get_world_size()
