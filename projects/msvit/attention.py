"""One attention for the plain and the mixed-scale transformer: it asks the token layout what to attend to."""

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor

from .tokens import TokenIndex

# Were it present, an absent key whose score towers over all others would take the whole attention; the tangent at weight 0
# knows no such bound and grows as e^score. In the gradient an absent key therefore counts at most e^3 = 20 times the partition
# function: without it single keys of pretrained ViTs drive the gate's gradient beyond 1e10, and clipping leaves no step.
_MAX_EXPONENT = 3.0


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
        batch, length, _ = x.shape
        gate = self.gate(x).sigmoid() if self.gate is not None else None
        qkv = self.qkv(x).reshape(batch, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        x = attend(self.q_norm(q), self.k_norm(k), v, attn_mask.key_weight, attn_mask.lengths)
        x = self.norm(x.transpose(1, 2).reshape(batch, length, self.attn_dim))
        return self.proj_drop(self.proj(x if gate is None else x * gate))


def attend(q: Tensor, k: Tensor, v: Tensor, weight: Tensor | None = None, lengths: list[int] | None = None) -> Tensor:
    """Attention within each image of a batch in any layout.

    Args:
        q, k, v: (B, heads, N, d), or (1, heads, sum N_b, d) for a packed row.
        weight: (B, N) or (1, sum N_b), see `weighted_attention`; None for plain attention.
        lengths: N_b of each image in a packed row; None where images lie in the batch dimension.

    Returns:
        The shape of ``q``.
    """
    if lengths is None or len(lengths) == 1:
        return weighted_attention(q, k, v, weight)
    weights = [None] * len(lengths) if weight is None else weight.split(lengths, dim=1)
    images = zip(q.split(lengths, dim=2), k.split(lengths, dim=2), v.split(lengths, dim=2), weights, strict=True)
    return torch.cat([weighted_attention(*image) for image in images], dim=2)


def weighted_attention(q: Tensor, k: Tensor, v: Tensor, weight: Tensor | None = None) -> Tensor:
    """Attention in which each key counts ``weight`` times (equation 15).

    y_q = sum_i w_i z_qi v_i / sum_p w_p z_qp with z_qi = exp(q_q . k_i / sqrt(d)). The gradient reaches every weight, also
    where it is 0: dy_q/dw_i = z_qi (v_i - y_q) / sum_p w_p z_qp, with z_qi limited to 20 times that sum.

    Args:
        q, k, v: (B, heads, N, d).
        weight: (B, N), not negative, at least one positive per row; None for all ones.

    Returns:
        (B, heads, N, d).
    """
    if weight is None:
        return F.scaled_dot_product_attention(q, k, v)
    if torch.is_grad_enabled() and weight.requires_grad:
        return _WeightedAttention.apply(q, k, v, weight)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=_key_bias(weight, q.dtype))


def _key_bias(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.log().to(dtype)[:, None, None, :]


class _WeightedAttention(torch.autograd.Function):
    """Fused attention forward; a backward pass of its own, since log(weight) has no usable gradient at weight 0."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, weight: Tensor) -> Tensor:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=_key_bias(weight, q.dtype))
        ctx.save_for_backward(q, k, v, weight, y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y: Tensor) -> tuple[Tensor, ...]:
        # image by image, which bounds the memory of the (heads, N, N) matrices
        images = zip(*ctx.saved_tensors, grad_y, strict=True)
        grads = zip(*(_weighted_attention_grads(*image) for image in images), strict=True)
        return tuple(torch.stack(grad) for grad in grads)


def _weighted_attention_grads(
    q: Tensor, k: Tensor, v: Tensor, weight: Tensor, y: Tensor, grad_y: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of one image's `weighted_attention` by q, k, v (heads, N, d) and weight (N,)."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    scale = q.shape[-1] ** -0.5
    qs, ks, vs, w, dy = q.to(dtype) * scale, k.to(dtype), v.to(dtype), weight.to(dtype), grad_y.to(dtype)
    scores = qs @ ks.transpose(-2, -1)
    log_partition = torch.logsumexp(scores + w.log(), dim=-1, keepdim=True)
    z = (scores - log_partition).clamp_(max=_MAX_EXPONENT).exp_()  # z_qi / sum_p w_p z_qp
    dz = dy @ vs.transpose(-2, -1)
    dz -= (dy * y).sum(dim=-1, keepdim=True)
    dz *= z
    dw = dz.sum(dim=(0, 1))
    dv = (z * w).transpose(-2, -1) @ dy
    dz *= w
    dq = dz @ ks * scale
    dk = dz.transpose(-2, -1) @ qs
    return dq.to(q.dtype), dk.to(k.dtype), dv.to(v.dtype), dw.to(weight.dtype)
