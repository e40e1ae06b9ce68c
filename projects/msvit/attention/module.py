"""timm's attention on mixed-scale tokens: it asks the token layout what to attend to."""

import torch
from timm.layers import Attention
from torch import Tensor

from ..tokens import TokenIndex
from .weighted import weighted_attention


class MixedScaleAttention(Attention):
    """timm's attention, over mixed-scale tokens where ``attn_mask`` brings their `TokenIndex`.

    timm's blocks hand ``attn_mask`` through untouched, so they need no change. Without an index this is timm's attention.
    """

    def forward(self, x: Tensor, attn_mask: TokenIndex | None = None, is_causal: bool = False) -> Tensor:
        """Attend.

        Args:
            x: tokens in the layout of ``attn_mask``, (B, N, C) or (1, sum N_b, C).
            attn_mask: the tokens' index, or what timm's attention takes.
            is_causal: timm's; no index may be given with it.

        Returns:
            The shape of ``x``.
        """
        if not isinstance(attn_mask, TokenIndex):
            return super().forward(x, attn_mask=attn_mask, is_causal=is_causal)
        gate = self.gate(x).sigmoid() if self.gate is not None else None
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, self.head_dim)).unbind(2)
        x = attend(self.q_norm(q), self.k_norm(k), v, attn_mask)
        x = self.norm(x.flatten(2))
        return self.proj_drop(self.proj(x if gate is None else x * gate))


@torch.compiler.disable  # a graph would be made anew for every list of lengths; the linear layers around it compile
def attend(q: Tensor, k: Tensor, v: Tensor, index: TokenIndex) -> Tensor:
    """Attention within each image of a batch, whatever its layout.

    Args:
        q, k, v: (B, N, heads, d), or (1, sum N_b, heads, d) for a packed row.
        index: where the tokens lie and how often each counts as a key.

    Returns:
        The shape of ``q``.
    """
    return weighted_attention(q, k, v, index.key_weight, index.segments, index.present)
