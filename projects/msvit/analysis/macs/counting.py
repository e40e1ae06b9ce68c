"""Counting multiply-accumulate operations."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...compat import count_attention_on_cpus

count_attention_on_cpus()


class Macs(NamedTuple):
    """Multiply-accumulates of each image, (B,) float tensors; norms, activations and softmax are not counted, as is usual, and
    neither is the resizing of position embeddings, which a batch does once.

    Args:
        gate: deciding the scale of every region.
        embedding: the patch embedding of present tokens.
        blocks: the transformer blocks, linear layers and attention.
    """

    gate: Tensor
    embedding: Tensor
    blocks: Tensor

    @property
    def total(self) -> Tensor:
        return self.gate + self.embedding + self.blocks


def count_macs(run: Callable[[], object]) -> float:
    """MACs of any computation without gradients, by running it once; attention is counted."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2


def linear_macs(module: nn.Module) -> int:
    """MACs of a module's linear layers for one token."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
