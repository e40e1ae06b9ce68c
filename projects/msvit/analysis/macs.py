"""Multiply-accumulate operations of mixed-scale backbones, as they run: only present tokens cost anything."""

from typing import NamedTuple

from torch import Tensor, nn

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


def linear_macs(module: nn.Module) -> int:
    """MACs of a module's linear layers for one token."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
