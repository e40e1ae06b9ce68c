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
        return self.output(attend(self.project(x), attn_mask), x)

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of tokens (..., N, C), normalised where the ViT does: (..., N, 3, heads, d)."""
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, self.head_dim))
        if isinstance(self.q_norm, nn.Identity):
            return qkv
        q, k, v = qkv.unbind(-3)
        return torch.stack((self.q_norm(q), self.k_norm(k), v), dim=-3)

    def output(self, y: Tensor, x: Tensor) -> Tensor:
        """What leaves the layer: the heads' results (..., N, heads, d), mixed; ``x`` went into `project`."""
        y = self.norm(y.flatten(-2))
        return self.proj_drop(self.proj(y if self.gate is None else y * self.gate(x).sigmoid()))


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


def class_attention(qkv: Tensor, index: TokenIndex) -> Tensor:
    """How much the class token, the first prefix token, attends to each token, as `attend` does; mean over the heads.

    Args:
        qkv: as for `attend`.
        index: of the tokens; with at least one prefix token.

    Returns:
        (B, Nc + Nf) float, 0 for candidates that are no tokens. With what goes to prefix tokens the sum is 1.
    """
    heads, width = qkv.shape[-2:]
    prefix, tokens = index.split(qkv[:, :, :2].flatten(2))  # queries and keys
    (query, key), tokens = prefix.chunk(2, dim=-1), tokens.chunk(2, dim=-1)[1]
    keys = torch.cat((key, index.spread(tokens)), dim=1).unflatten(-1, (heads, width))
    scores = torch.einsum('bhd,bnhd->bhn', query[:, 0].unflatten(-1, (heads, width)), keys).float() * width**-0.5
    weight = torch.cat((scores.new_ones(prefix.shape[:2]), index.candidate_weight()), dim=1)
    present = weight > 0  # log has no usable gradient at 0
    scores = scores + weight.where(present, 1).log().where(present, float('-inf')).unsqueeze(1)
    return scores.softmax(dim=-1).mean(dim=1)[:, index.num_prefix :]
