"""Attention whose keys count by weights, with a gradient for every weight (equation 15)."""

from collections.abc import Sequence

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
    present: Sequence[int] | None = None,
) -> Tensor:
    """Attention in which each key counts ``weight`` times (equation 15).

    y_q = sum_i w_i z_qi v_i / sum_p w_p z_qp with z_qi = exp(q_q . k_i / sqrt(d)). The gradient reaches every weight, also
    where it is 0: dy_q/dw_i = z_qi (v_i - y_q) / sum_p w_p z_qp, there with z_qi limited to 20 times that sum.

    Args:
        q, k, v: (B, N, heads, d), or (1, sum N_b, heads, d) for a packed row.
        weight: (B, N) or (1, sum N_b), not negative, at least one positive per image; None for all ones.
        segments: the images of a packed row; None where images lie in the batch dimension.
        present: B figures, if it is known that of each image the first so many tokens have positive weights and that
            nobody reads the output of the others, of weight 0: the backward pass then skips what they leave at 0.

    Returns:
        The shape of ``q``.
    """
    trains = weight is not None and torch.is_grad_enabled() and weight.requires_grad
    # Where every weight is positive, log(weight) has a usable gradient: on a GPU the kernels' own backward pass brings it.
    if trains and not (q.is_cuda and segments is not None):
        return _WeightedAttention.apply(q, k, v, weight, segments, present)
    return fused_attention(q, k, v, None if weight is None else weight.log(), segments)


class _WeightedAttention(torch.autograd.Function):
    """Fused attention forward; a backward pass of its own, since log(weight) has no usable gradient at weight 0."""

    @staticmethod
    def forward(
        ctx,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        weight: Tensor,
        segments: Segments | None,
        present: Sequence[int] | None,
    ) -> Tensor:
        y = fused_attention(q, k, v, weight.log(), segments)
        ctx.save_for_backward(q, k, v, weight, y)
        ctx.segments, ctx.present = segments, present
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        tensors = (*ctx.saved_tensors, grad_y)
        if grad_y.is_cuda:  # launches cost more there than memory
            return *_grads(*tensors), None, None
        # image by image, which keeps the (heads, N, N) matrices in the cache
        grads = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in tensors[:4]]
        present = ctx.present or [None] * len(ctx.segments.lengths if ctx.segments else grad_y)
        for image, own, leading in zip(_images(tensors, ctx.segments), _images(grads, ctx.segments), present, strict=True):
            parts = _grads(*image) if leading is None else _grads_of_leading(*image, leading)
            for target, part in zip(own, parts, strict=True):
                target[: len(part)].copy_(part)
                target[len(part) :] = 0
        return *grads, None, None


def _images(tensors: Sequence[Tensor], segments: Segments | None) -> list[tuple[Tensor, ...]]:
    """Views of each image, without batch dimension."""
    parts = (x if segments is None else x[0].split(segments.lengths) for x in tensors)
    return list(zip(*parts, strict=True))


def _grads(q: Tensor, k: Tensor, v: Tensor, weight: Tensor, y: Tensor, grad_y: Tensor) -> tuple[Tensor, ...]:
    """Gradients of `weighted_attention` by q, k, v (..., N, heads, d) and weight (..., N)."""
    qs, ks, vs, ys, dy, w, scale = _prepare(q, k, v, y, grad_y, weight)
    w = w[..., None, None, :]
    z = qs @ ks.mT
    z -= torch.logsumexp(z + w.log(), dim=-1, keepdim=True)
    z.clamp_(max=_MAX_EXPONENT).exp_()  # z_qi / sum_p w_p z_qp
    dz = dy @ vs.mT
    dz -= (dy * ys).sum(dim=-1, keepdim=True)
    dz *= z
    dw = dz.sum(dim=(-3, -2))
    dz *= w
    z *= w
    return *_heads_last(dz @ ks * scale, dz.mT @ qs, z.mT @ dy), dw


def _grads_of_leading(
    q: Tensor, k: Tensor, v: Tensor, weight: Tensor, y: Tensor, grad_y: Tensor, n: int
) -> tuple[Tensor, ...]:
    """The same for one image whose first n tokens alone have positive weights and read outputs: q, k, v (n, heads, d)."""
    qs, ks, vs, ys, dy, w, scale = _prepare(q, k, v, y, grad_y, weight)
    qs, ys, dy = qs[:, :n], ys[:, :n], dy[:, :n]
    dz = torch.baddbmm((dy * ys).sum(dim=-1, keepdim=True), dy, vs.mT, beta=-1)
    scores = torch.baddbmm(w[:n].log()[None, None], qs, ks[:, :n].mT)
    if n == len(weight):
        share, dw = scores.softmax(dim=-1), weight.new_empty(0)
    else:
        log_partition = torch.logsumexp(scores, dim=-1, keepdim=True)
        share = scores.sub_(log_partition).exp_()
        absent = torch.baddbmm(log_partition, qs, ks[:, n:].mT, beta=-1)
        dw = absent.clamp_(max=_MAX_EXPONENT).exp_().mul_(dz[:, :, n:]).sum(dim=(0, 1))
        dz = dz[:, :, :n]
    dz = share * dz
    dw = torch.cat((dz.sum(dim=(0, 1)) / w[:n], dw))
    return *_heads_last(torch.bmm(dz, ks[:, :n]) * scale, torch.bmm(dz.mT, qs), torch.bmm(share.mT, dy)), dw


def _prepare(q: Tensor, k: Tensor, v: Tensor, y: Tensor, grad_y: Tensor, weight: Tensor) -> tuple:
    """Heads first, at least single precision, q scaled; then the weight and the scale."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    scale = q.shape[-1] ** -0.5
    q, k, v, y, grad_y = (x.to(dtype).transpose(-3, -2) for x in (q, k, v, y, grad_y))
    return q * scale, k, v, y, grad_y, weight.to(dtype), scale


def _heads_last(*grads: Tensor) -> tuple[Tensor, ...]:
    return tuple(grad.transpose(-3, -2) for grad in grads)
