"""MACs of MSViT: they follow from the number of tokens."""

import torch
from torch import Tensor

from ...backbones import MSViT
from ...backbones.gated import GatedBackbone
from ...tokens import TokenGrid
from .counting import Macs, linear_macs


def vit_macs(backbone: MSViT, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
    """As `backbone_macs`."""
    tokens = counts.double()
    sequence = tokens + backbone.num_prefix_tokens
    embedding = tokens * backbone.patch_embed.proj.weight.numel()
    blocks = sequence * linear_macs(backbone.blocks) + sequence.square() * sum(2 * b.attn.attn_dim for b in backbone.blocks)
    return Macs(gate_macs(backbone, grid, counts), embedding, blocks)


def gate_macs(backbone: GatedBackbone, grid: TokenGrid, counts: Tensor) -> Tensor:
    """MACs of deciding the scale of every region, (B,)."""
    macs = 0 if backbone.gate is None else backbone.gate.macs(*grid.region_shape)
    return torch.full_like(counts, macs, dtype=torch.double)
