"""Transformer blocks on one image without their launches: CUDA graphs, one for each bucket of token counts."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Blocks = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


class _Captured(NamedTuple):
    """A graph with the tensors that it reads and writes."""

    graph: Any
    x: Tensor
    length: Tensor
    outputs: tuple[Tensor, ...]


class BlockGraphs:
    """Runs blocks on one image's tokens, padded to a multiple of ``bucket``, as a CUDA graph that is captured at first use.

    Keys of padding weigh nothing, so the features are those without padding. On a CPU the padded blocks run as they are,
    slower than without; there this serves tests.

    Args:
        bucket: tokens; the fewer, the less padding and the more graphs. A multiple of 16 suits the attention kernels.

    Raises:
        ValueError: ``bucket`` is below 1.
    """

    def __init__(self, bucket: int = 32):
        if bucket < 1:
            raise ValueError(f'bucket must be at least 1 token, got {bucket}')
        self.bucket = bucket
        self._captured: dict[Hashable, _Captured] = {}
        self._pool: Any = None

    def __call__(self, x: Tensor, blocks: Blocks, key: Hashable = None) -> tuple[Tensor, ...]:
        """Run ``blocks`` on tokens.

        Args:
            x: (1, N, C), needing no gradient.
            blocks: from tokens (1, M, C) and what is added to the scores of all queries with their keys, (1, M), to
                features (1, M, C) of one or more blocks. The same function at every call of one ``key``.
            key: tells several ``blocks`` apart.

        Returns:
            Features (1, N, C).
        """
        length = x.shape[1]
        size = -(-length // self.bucket) * self.bucket
        if x.is_cuda:
            outputs = self._replay(x, size, blocks, key)
        else:
            padded = x.new_zeros(1, size, x.shape[2])
            padded[:, :length] = x
            outputs = _padded(padded, torch.tensor(length), blocks)
        return tuple(output[:, :length].clone() for output in outputs)

    def clear(self) -> None:
        """Forget the graphs: they read the parameters where these lay when they were captured."""
        self._captured.clear()
        self._pool = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.bucket,)  # a copy captures graphs of its own

    def _replay(self, x: Tensor, size: int, blocks: Blocks, key: Hashable) -> tuple[Tensor, ...]:
        key = (key, size, x.shape[2], x.dtype, x.device)
        if key not in self._captured:
            self._captured[key] = self._capture(x, size, blocks)
        captured = self._captured[key]
        captured.x[:, : x.shape[1]].copy_(x)
        captured.length.fill_(x.shape[1])
        captured.graph.replay()
        return captured.outputs

    @torch.inference_mode(False)  # later calls write to these tensors in any mode
    @torch.no_grad()
    def _capture(self, x: Tensor, size: int, blocks: Blocks) -> _Captured:
        tokens = torch.zeros(1, size, x.shape[2], dtype=x.dtype, device=x.device)
        length = torch.full((), size, device=x.device)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        with torch.cuda.device(x.device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries set themselves up, and compilers compile, before the capture
                for _ in range(3):
                    _padded(tokens, length, blocks)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                outputs = _padded(tokens, length, blocks)
        return _Captured(graph, tokens, length, outputs)


def _padded(x: Tensor, length: Tensor, blocks: Blocks) -> tuple[Tensor, ...]:
    """Run blocks on the first ``length`` tokens; what lies behind them counts as zeros that no query attends to."""
    present = torch.arange(x.shape[1], device=x.device) < length
    bias = torch.zeros_like(present, dtype=x.dtype).masked_fill(~present, float('-inf'))
    return blocks(x.where(present[:, None], 0), bias[None])
