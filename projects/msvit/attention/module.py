"""timm's attention on mixed-scale tokens: it asks the token layout what to attend to."""

import torch
from timm.layers import Attention
from torch import Tensor, nn

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
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, self.head_dim))
        if not isinstance(self.q_norm, nn.Identity):
            q, k, v = qkv.unbind(2)
            qkv = torch.stack((self.q_norm(q), self.k_norm(k), v), dim=2)
        x = self.norm(attend(qkv, attn_mask).flatten(2))
        return self.proj_drop(self.proj(x if gate is None else x * gate))


@torch.compiler.disable  # a graph would be made anew for every list of lengths; the linear layers around it compile
def attend(qkv: Tensor, index: TokenIndex) -> Tensor:
    """Attention within each image of a batch, whatever its layout.

    Args:
        qkv: queries, keys and values, (B, N, 3, heads, d), or (1, sum N_b, 3, heads, d) for a packed row.
        index: where the tokens lie and how often each counts as a key.

    Returns:
        (B, N, heads, d) or (1, sum N_b, heads, d).
    """
    return weighted_attention(qkv, index.key_weight, index.segments, index.present)
