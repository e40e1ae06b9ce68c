"""MACs of the token-pruning backbones: from the tokens at the start follow those of every block."""

import torch
from torch import Tensor, nn

from ...backbones import MSDyViT, MSEViT
from ...tokens import TokenGrid
from .counting import Macs, linear_macs
from .vit import gate_macs


def evit_macs(backbone: MSEViT, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
    """As `backbone_macs`; class attention and fusion included."""
    tokens = counts.double()
    embedding = tokens * backbone.patch_embed.proj.weight.numel()
    rates, macs = dict(zip(backbone.prune_at, backbone.keep_rates(), strict=True)), torch.zeros_like(tokens)
    candidates = grid.num_coarse + grid.num_fine
    for i, block in enumerate(backbone.blocks):
        macs += _attention_macs(block, tokens + backbone.num_prefix_tokens)
        rate = rates.get(i, 1)
        if rate < 1:
            macs += (candidates + backbone.num_prefix_tokens) * block.attn.attn_dim
            kept = (tokens * rate).ceil()
            if backbone.fuse_inattentive:
                macs += candidates * backbone.embed_dim
                kept += kept < tokens
            tokens = kept
        macs += (tokens + backbone.num_prefix_tokens) * linear_macs(block.mlp)
    return Macs(gate_macs(backbone, grid, counts), embedding, macs)


def dyvit_macs(backbone: MSDyViT, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
    """As `backbone_macs`; score predictors included."""
    start = tokens = counts.double()
    embedding = tokens * backbone.patch_embed.proj.weight.numel()
    stages = dict(zip(backbone.prune_at, zip(backbone.score_predictor, backbone.keep_rates(), strict=True), strict=True))
    macs = torch.zeros_like(tokens)
    for i, block in enumerate(backbone.blocks):
        predictor, rate = stages.get(i, (None, 1))
        if rate < 1:
            macs += tokens * linear_macs(predictor) + (grid.num_coarse + grid.num_fine) * (backbone.embed_dim // 2)
            tokens = (start * rate).floor().clamp(min=1)
        sequence = tokens + backbone.num_prefix_tokens
        macs += _attention_macs(block, sequence) + sequence * linear_macs(block.mlp)
    return Macs(gate_macs(backbone, grid, counts), embedding, macs)


def _attention_macs(block: nn.Module, sequence: Tensor) -> Tensor:
    return sequence * linear_macs(block.attn) + sequence.square() * (2 * block.attn.attn_dim)
