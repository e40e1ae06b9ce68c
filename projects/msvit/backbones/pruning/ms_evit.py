"""MSEViT: token pruning by class attention, on mixed-scale tokens."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...attention import attend, class_attention
from ...checks import check_flag
from ...drop_path import announced_index
from ...tokens import MixedTokens, TokenIndex
from .base import PruningDeiT, best_tokens


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

    def _encode(self, tokens: MixedTokens, out_indices: Sequence[int]) -> tuple[MixedTokens, ...]:
        rates = dict(zip(self.prune_at, self.keep_rates(), strict=True))
        for i, block in enumerate(self.blocks):
            rate = rates.get(i, 1)
            tokens = self._encode_block(i, tokens) if rate == 1 else self._prune_in_block(block, tokens, rate)
        return (self._normed(tokens),)

    def _prune_in_block(self, block: nn.Module, tokens: MixedTokens, rate: float) -> MixedTokens:
        index = tokens.index
        x, attention = self._run(_attend, block, tokens.x, index, self.fuse_inattentive)
        kept = best_tokens(attention.detach(), index.active, (index.counts.double() * rate).ceil())
        counts = None if index.host_counts is None else [math.ceil(count * rate) for count in index.host_counts]
        tokens = tokens.with_features(x).pruned(kept, attention if self.fuse_inattentive else None, counts)
        return tokens.with_features(self._run(_feed_forward, block, tokens.x, tokens.index))


def _attend(block: nn.Module, x: Tensor, index: TokenIndex, differentiable: bool) -> tuple[Tensor, Tensor]:
    """The first half of timm's block, and the class token's attention (B, Nc + Nf)."""
    normed = block.norm1(x)
    qkv = block.attn.project(normed)
    with torch.set_grad_enabled(differentiable and torch.is_grad_enabled()):
        attention = class_attention(qkv, index)
    with announced_index(block, index):
        return x + block.drop_path1(block.ls1(block.attn.output(attend(qkv, index), normed))), attention


def _feed_forward(block: nn.Module, x: Tensor, index: TokenIndex) -> Tensor:
    """The second half of timm's block."""
    with announced_index(block, index):
        return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
