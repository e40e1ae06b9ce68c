"""Multiply-accumulate operations of mixed-scale backbones, as they run: only present tokens cost anything."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..tokens import TokenGrid


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


def backbone_macs(backbone: nn.Module, grid: TokenGrid, counts: Tensor) -> Macs:
    """MACs of a mixed-scale ViT at given token counts; no forward pass is needed.

    Args:
        backbone: an `MSViT`.
        grid: of the images, ``backbone.grid(images)``.
        counts: (B,) present tokens of each image, without prefix tokens.

    Returns:
        The parts, each (B,).
    """
    tokens = counts.double()
    sequence = tokens + backbone.num_prefix_tokens
    gate = tokens.new_full(tokens.shape, grid.num_coarse * linear_macs(backbone.gate) if backbone.gate is not None else 0)
    embedding = tokens * backbone.patch_embed.proj.weight.numel()
    blocks = sequence * linear_macs(backbone.blocks) + sequence.square() * sum(2 * b.attn.attn_dim for b in backbone.blocks)
    return Macs(gate, embedding, blocks)


def count_macs(run: Callable[[], object]) -> float:
    """MACs of any computation without gradients, by running it once; attention is counted."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2


def linear_macs(module: nn.Module) -> int:
    """MACs of a module's linear layers for one token."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
