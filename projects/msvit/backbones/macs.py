"""Multiply-accumulate operations of mixed-scale backbones, as they run: only present tokens cost anything."""

from typing import NamedTuple

from timm.layers import Attention
from torch import Tensor, nn


class Macs(NamedTuple):
    """Multiply-accumulates of each image, (B,) float tensors.

    Norms, activations and softmax are not counted, as is usual, and neither is the resizing of position embeddings, which a
    batch does once.

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


def linear_macs(module: nn.Module) -> int:
    """Count the MACs of a module's linear layers for one token."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))


def attention_macs(attention: Attention, sequence: Tensor) -> Tensor:
    """Count the MACs of a layer of attention, linear layers included, for (B,) tokens of each image."""
    return sequence * linear_macs(attention) + sequence.square() * (2 * attention.attn_dim)
