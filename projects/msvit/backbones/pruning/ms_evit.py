"""MSEViT: token pruning by class attention, on mixed-scale tokens."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...attention import class_attention, project
from ...checks import check_flag
from ...tokens import MixedTokens, TokenGrid, TokenIndex
from ..block import MixedScaleBlock
from ..macs import Macs, attention_macs, linear_macs
from .base import Count, PruningDeiT, best_tokens


class MSEViT(PruningDeiT):
    """`EViT <https://arxiv.org/abs/2202.07800>`_ on mixed-scale tokens (section E.2): the inattentive ones are dropped.

    Between attention and FFN of a pruning block the tokens of each image are sorted by the class token's attention, the mean
    over the heads; ceil(keep_rate * L) of its L tokens stay, the others become one more token: their sum, each times that
    attention. The mixed-scale mask is sorted and pruned with the tokens. With ``gate=None`` this is EViT.

    Args:
        arch: a timm DeiT or ViT with a class token, or a dict as for `MSViT`.
        keep_rate: share of its tokens that each pruning block keeps, in (0, 1]; one for all or one for each. May be set at any
            time, for EViT lowers it step by step in training.
        prune_at: the pruning blocks, counted from 0, in ascending order.
        fuse_inattentive: make one new token of those that are dropped.
        out_type: ``'cls_token'`` or ``'tokens'``; pruned tokens cover no map.
        **kwargs: the other arguments of `MSViT`; ``out_indices`` stays the last block.

    Raises:
        ValueError: an argument is out of its range, or the ViT has no class token.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = 'deit_small_patch16_224',
        keep_rate: float | Sequence[float] = 0.7,
        prune_at: Sequence[int] = (3, 6, 9),
        fuse_inattentive: bool = True,
        **kwargs: Any,
    ):
        super().__init__(arch, keep_rate=keep_rate, prune_at=prune_at, **kwargs)
        check_flag('fuse_inattentive', fuse_inattentive)
        self.fuse_inattentive = fuse_inattentive

    def kept_tokens(self, stage: int, start: Count, now: Count) -> Count:
        return -(-now * self.keep_rates()[stage] // 1)  # rounded up

    def macs(self, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
        """As `GatedBackbone.macs`; class attention and fusion included."""
        now = counts.double()
        embedding, blocks = now * self.patch_embed.proj.weight.numel(), torch.zeros_like(now)
        candidates = grid.num_coarse + grid.num_fine
        for block, stage in zip(self.blocks, self._dropping_stages(), strict=True):
            blocks += attention_macs(block.attn, now + self.num_prefix_tokens)
            if stage is not None:
                blocks += (candidates + self.num_prefix_tokens) * block.attn.attn_dim
                kept = self.kept_tokens(stage, counts.double(), now)
                if self.fuse_inattentive:
                    blocks += candidates * self.embed_dim
                    kept += kept < now
                now = kept
            blocks += (now + self.num_prefix_tokens) * linear_macs(block.mlp)
        return Macs(self._gate_macs(grid, counts), embedding, blocks)

    def _encode(self, tokens: MixedTokens, out_indices: Sequence[int]) -> tuple[MixedTokens, ...]:
        start = tokens.index
        for i, (block, stage) in enumerate(zip(self.blocks, self._dropping_stages(), strict=True)):
            tokens = self._encode_block(i, tokens) if stage is None else self._prune_in_block(block, tokens, stage, start)
        return (self._normed(tokens),)

    def _prune_in_block(self, block: MixedScaleBlock, tokens: MixedTokens, stage: int, start: TokenIndex) -> MixedTokens:
        index = tokens.index
        x, attention = self._run(_attend, block, tokens.x, index, self.fuse_inattentive)
        kept, counts = self._how_many(stage, start, index)
        kept = best_tokens(attention.detach(), index.active, kept)
        tokens = tokens.with_features(x).pruned(kept, attention if self.fuse_inattentive else None, counts)
        return tokens.with_features(self._run(block.feed_forward, tokens.x, tokens.index))


def _attend(block: MixedScaleBlock, x: Tensor, index: TokenIndex, differentiable: bool) -> tuple[Tensor, Tensor]:
    """The first half of a block, and the class token's attention (B, Nc + Nf)."""
    normed = block.norm1(x)
    qkv = project(block.attn, normed)
    with torch.set_grad_enabled(differentiable and torch.is_grad_enabled()):
        attention = class_attention(qkv, index)
    return block.add_attention(x, normed, qkv, index), attention
