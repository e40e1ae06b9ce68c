"""Token Merging (Bolya et al., "Token Merging: Your ViT But Faster", ICLR 2023) of a plain timm ViT."""

import copy
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import index
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from timm.layers import Attention, PatchEmbed
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from ...backbones.macs import linear_macs


class ToMe(nn.Module):
    """A trained ViT that merges similar tokens between attention and MLP of each block; no training is needed.

    Its ``vit`` shares the parameters of the given one, not its mode: ``tome.vit.forward_head(tokens)`` classifies.

    Args:
        vit: a timm ViT of standard pre-norm blocks; it stays as it is.
        r: tokens to merge in each block, or one figure for each block; >= 0. A block merges at most half of the patch tokens
            that it gets.

    Raises:
        TypeError: ``vit`` is no timm ``VisionTransformer``, or ``r`` no whole number.
        ValueError: ``r`` is negative or not one figure for each block, or the ViT is not built of standard parts.
    """

    def __init__(self, vit: VisionTransformer, r: int | Sequence[int]):
        super().__init__()
        _check_plain(vit)
        self.schedule = _schedule(r, len(vit.blocks))
        self.vit = _twin(vit)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the tokens that are left, as of timm's ``forward_features``.

        Args:
            images: (B, 3, H, W), normalised as the ViT's weights want.

        Returns:
            (B, N', C): prefix tokens first, then patch tokens in no order of the grid.
        """
        vit = self.vit
        return self.encode(vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(images)))))[0]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run the blocks and the final norm.

        Args:
            x: (B, N, C) embedded tokens, prefix tokens first.

        Returns:
            The tokens that are left (B, N', C), and the patches that each stands for (B, N'), 1 for prefix tokens.
        """
        vit, size = self.vit, None
        for block, r in zip(cast('Iterable[Block]', vit.blocks), self.schedule, strict=True):
            x, size = _forward_block(block, x, size, r, vit.num_prefix_tokens)
        return vit.norm(x), torch.ones(x.shape[:2], device=x.device) if size is None else size

    def extra_repr(self) -> str:
        return f'r={self.schedule}'


class Matching(NamedTuple):
    """Which tokens become one. Rows count through the whole batch, so that a tensor is read with its first two axes flat.

    Args:
        kept: (B * N',) input rows of the tokens that stay, in the order of the output: prefix, A, B.
        merged: (B * r,) input rows of the tokens that are merged into another.
        target: (B * r,) output rows that these are merged into.
    """

    kept: Tensor
    merged: Tensor
    target: Tensor


@torch.no_grad()
def match_tokens(keys: Tensor, r: int, num_prefix: int) -> Matching:
    """Bipartite soft matching: the ``r`` tokens of set A most similar to one of set B (section 3).

    The sequence, prefix included, alternates between A and B. Every token of A is paired with the token of B whose key has
    the largest cosine similarity, and the ``r`` closest pairs merge.

    Args:
        keys: (B, heads, N, d) keys of the attention.
        r: tokens to merge, 1 <= r <= (N - num_prefix) // 2.
        num_prefix: tokens at the front that take no part.
    """
    batch, _, length, _ = keys.shape
    set_a = slice(num_prefix + num_prefix % 2, None, 2)
    set_b = slice(num_prefix + 1 - num_prefix % 2, None, 2)
    metric = F.normalize(keys.sum(dim=1), dim=-1)  # of the mean over heads: the cosine knows no length
    similarity, partner = (metric[:, set_a] @ metric[:, set_b].transpose(1, 2)).max(dim=-1)
    order = similarity.argsort(dim=-1, descending=True)

    rows = torch.arange(batch * length, device=keys.device).view(batch, length)
    rows_a, rows_b = rows[:, set_a].gather(1, order), rows[:, set_b]
    kept = torch.cat([rows[:, :num_prefix], rows_a[:, r:].sort(dim=-1).values, rows_b], dim=1)
    rows_out = torch.arange(kept.numel(), device=keys.device).view_as(kept)
    target = rows_out[:, -rows_b.shape[1] :].gather(1, partner.gather(1, order[:, :r]))
    return Matching(kept.flatten(), rows_a[:, :r].flatten(), target.flatten())


def merge_tokens(x: Tensor, size: Tensor | None, matching: Matching) -> tuple[Tensor, Tensor]:
    """Average matched tokens, each weighted by its size.

    Args:
        x: (B, N, C).
        size: (B, N) patches that each token stands for; None: one each.
        matching: of these tokens.

    Returns:
        The tokens (B, N', C) and their sizes (B, N').
    """
    kept, merged, target = matching

    def add_merged(values: Tensor) -> Tensor:
        rows = values.flatten(0, 1)
        return rows.index_select(0, kept).index_add_(0, target, rows.index_select(0, merged))

    exact = torch.promote_types(x.dtype, torch.float32)  # bfloat16 counts to 256
    total = add_merged(torch.ones(x.shape[:2], dtype=exact, device=x.device) if size is None else size)
    mean = add_merged(x.to(exact) if size is None else x * size[..., None]) / total[:, None]
    return mean.to(x.dtype).unflatten(0, (len(x), -1)), total.unflatten(0, (len(x), -1))


def tome_macs(vit: VisionTransformer, num_tokens: int, r: int | Sequence[int]) -> int:
    """Multiply-accumulates of the patch embedding and the transformer blocks for one image, attention and matching counted.

    Args:
        vit: the ViT that tokens are merged in.
        num_tokens: patch tokens of the image before any merge, without prefix tokens, >= 1.
        r: as in `ToMe`.

    Raises:
        TypeError, ValueError: as in `ToMe`; or ``num_tokens`` is below 1.
    """
    _check_plain(vit)
    if num_tokens < 1:
        raise ValueError(f'num_tokens must be at least 1, got {num_tokens}')
    macs = num_tokens * vit.patch_embed.proj.weight.numel()
    patches = num_tokens
    for block, wanted in zip(cast('Iterable[Block]', vit.blocks), _schedule(r, len(vit.blocks)), strict=True):
        attn = cast(Attention, block.attn)
        length, merged = patches + vit.num_prefix_tokens, min(wanted, patches // 2)
        macs += length * linear_macs(attn) + 2 * length**2 * attn.attn_dim
        if merged:
            in_b = (patches + vit.num_prefix_tokens % 2) // 2
            macs += (patches - in_b) * in_b * attn.head_dim
        macs += (length - merged) * linear_macs(block.mlp)
        patches -= merged
    return macs


def r_for_macs(vit: VisionTransformer, num_tokens: int, macs: float) -> int:
    """The r, the same in every block, whose `tome_macs` come closest to a wanted number.

    Args:
        vit: the ViT that tokens are merged in.
        num_tokens: patch tokens of the image before any merge, without prefix tokens, >= 1.
        macs: wanted multiply-accumulates of one image, > 0.

    Returns:
        r from 0 to ``num_tokens // 2``; beyond that nothing changes.

    Raises:
        TypeError, ValueError: as in `tome_macs`; or ``macs`` is not positive.
    """
    if not macs > 0:
        raise ValueError(f'macs must be positive, got {macs}')
    return min(range(max(num_tokens, 0) // 2 + 1), key=lambda r: abs(tome_macs(vit, num_tokens, r) - macs))


def _forward_block(block: Block, x: Tensor, size: Tensor | None, r: int, num_prefix: int) -> tuple[Tensor, Tensor | None]:
    attended, keys = _attend(cast(Attention, block.attn), block.norm1(x), size)
    x = x + block.drop_path1(block.ls1(attended))
    r = min(r, (x.shape[1] - num_prefix) // 2)
    if r > 0:
        x, size = merge_tokens(x, size, match_tokens(keys, r, num_prefix))
    return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x)))), size


def _attend(attn: Attention, x: Tensor, size: Tensor | None) -> tuple[Tensor, Tensor]:
    """Proportional attention, a token of size s counting as s equal keys (equation 1); and the keys (B, heads, N, d)."""
    batch, length, _ = x.shape
    gate = attn.gate(x).sigmoid() if attn.gate is not None else None
    q, k, v = attn.qkv(x).reshape(batch, length, 3, attn.num_heads, attn.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
    q, k = attn.q_norm(q), attn.k_norm(k)
    bias = None if size is None else size.log().to(q.dtype)[:, None, None, :]
    dropout = attn.attn_drop.p if attn.training else 0.0
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
    x = attn.norm(x.transpose(1, 2).reshape(batch, length, attn.attn_dim))
    return attn.proj_drop(attn.proj(x if gate is None else x * gate)), k


def _schedule(r: int | Sequence[int], depth: int) -> list[int]:
    schedule = [index(n) for n in r] if isinstance(r, Sequence) else [index(r)] * depth
    if len(schedule) != depth:
        raise ValueError(f'r has {len(schedule)} figures for {depth} blocks: give one figure, or one for each block')
    if min(schedule) < 0:
        raise ValueError(f'r counts the tokens merged in a block and may not be negative, got {r}')
    return schedule


def _check_plain(vit: Any) -> None:
    if not isinstance(vit, VisionTransformer):
        raise TypeError(f'token merging needs a timm VisionTransformer, got {type(vit).__name__}')
    if not isinstance(vit.patch_embed, PatchEmbed):
        raise ValueError(f'patches are embedded by {type(vit.patch_embed).__name__}: only a single convolution is supported')
    for block in vit.blocks:
        if not isinstance(block, Block) or not isinstance(block.attn, Attention):
            raise ValueError(
                f"token merging needs timm's standard pre-norm Block and Attention, got {type(block).__name__} with "
                f'{type(getattr(block, "attn", None)).__name__}'
            )


def _twin(vit: VisionTransformer) -> VisionTransformer:
    """A copy of the modules that shares parameters and buffers."""
    shared = {id(tensor): tensor for tensor in chain(vit.parameters(), vit.buffers())}
    return copy.deepcopy(vit, shared)
