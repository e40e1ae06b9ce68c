"""Attention whose keys count by weights, with a gradient for every weight (equation 15)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..tokens import Segments
from .fused import fused_attention

# Were it present, an absent key whose score towers over all others would take the whole attention; the tangent at weight 0
# knows no such bound and grows as e^score. In the gradient an absent key therefore counts at most e^3 = 20 times the partition
# function: without it single keys of pretrained ViTs drive the gate's gradient beyond 1e10, and clipping leaves no step.
_MAX_EXPONENT = 3.0


def weighted_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    weight: Tensor | None = None,
    segments: Segments | None = None,
    has_absent: bool = True,
) -> Tensor:
    """Attention in which each key counts ``weight`` times (equation 15).

    y_q = sum_i w_i z_qi v_i / sum_p w_p z_qp with z_qi = exp(q_q . k_i / sqrt(d)). The gradient reaches every weight, also
    where it is 0: dy_q/dw_i = z_qi (v_i - y_q) / sum_p w_p z_qp, there with z_qi limited to 20 times that sum.

    Args:
        q, k, v: (B, N, heads, d), or (1, sum N_b, heads, d) for a packed row.
        weight: (B, N) or (1, sum N_b), not negative, at least one positive per image; None for all ones.
        segments: the images of a packed row; None where images lie in the batch dimension.
        has_absent: some weights may be 0. False saves time.

    Returns:
        The shape of ``q``.
    """
    trains = weight is not None and torch.is_grad_enabled() and weight.requires_grad
    # Where every weight is positive, log(weight) has a usable gradient: on a GPU the kernels' own backward pass brings it.
    if trains and (has_absent or not q.is_cuda):
        return _WeightedAttention.apply(q, k, v, weight, segments, has_absent)
    return fused_attention(q, k, v, None if weight is None else weight.log(), segments)


class _WeightedAttention(torch.autograd.Function):
    """Fused attention forward; a backward pass of its own, since log(weight) has no usable gradient at weight 0."""

    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, weight: Tensor, segments: Segments | None, has_absent: bool) -> Tensor:
        y = fused_attention(q, k, v, weight.log(), segments)
        ctx.save_for_backward(q, k, v, weight, y)
        ctx.segments, ctx.has_absent = segments, has_absent
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        grads = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in saved[:4]]
        # image by image, which bounds the memory of the (heads, N, N) matrices
        images, targets = _images(ctx.segments, *saved, grad_y), _images(ctx.segments, *grads)
        for image, own in zip(images, targets, strict=True):
            for target, grad in zip(own, _weighted_attention_grads(*image, ctx.has_absent), strict=True):
                target.copy_(grad)
        return *grads, None, None


def _images(segments: Segments | None, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views of each image, without batch dimension."""
    if segments is None:
        return zip(*tensors, strict=True)
    return zip(*(x[0].split(segments.lengths) for x in tensors), strict=True)


def _weighted_attention_grads(
    q: Tensor, k: Tensor, v: Tensor, weight: Tensor, y: Tensor, grad_y: Tensor, has_absent: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of one image's `weighted_attention` by q, k, v (N, heads, d) and weight (N,)."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    scale = q.shape[-1] ** -0.5
    qs, ks, vs, ys, dy = (x.to(dtype).transpose(0, 1) for x in (q, k, v, y, grad_y))
    qs, w = qs * scale, weight.to(dtype)
    dz = torch.baddbmm((dy * ys).sum(dim=-1, keepdim=True), dy, vs.transpose(1, 2), beta=-1)
    if has_absent:
        z = torch.bmm(qs, ks.transpose(1, 2))
        z -= torch.logsumexp(z + w.log(), dim=-1, keepdim=True)
        z.clamp_(max=_MAX_EXPONENT).exp_()  # z_qi / sum_p w_p z_qp
        dz *= z
        dw = dz.sum(dim=(0, 1))
        z *= w
        dz *= w
    else:
        z = torch.baddbmm(w.log()[None, None], qs, ks.transpose(1, 2)).softmax(dim=-1)
        dz *= z
        dw = dz.sum(dim=(0, 1)) / w
    dq = torch.bmm(dz, ks) * scale
    dk = torch.bmm(dz.transpose(1, 2), qs)
    dv = torch.bmm(z.transpose(1, 2), dy)
    return dq.transpose(0, 1), dk.transpose(0, 1), dv.transpose(0, 1), dw
