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
# Scores of short sequences whose gradients a CPU finds at a time.
_CPU_SCORES = 2**18


def weighted_attention(
    qkv: Tensor,
    weight: Tensor | None = None,
    segments: Segments | None = None,
    lengths: Sequence[int] | None = None,
    pair_bias: Tensor | None = None,
) -> Tensor:
    """Attention in which each key counts ``weight`` times (equation 15).

    y_q = sum_i w_i z_qi v_i / sum_p w_p z_qp with z_qi = exp(q_q . k_i / sqrt(d) + b_qi). The gradient reaches every weight,
    also where it is 0: dy_q/dw_i = z_qi (v_i - y_q) / sum_p w_p z_qp, there with z_qi limited to 20 times that sum.

    Args:
        qkv: queries, keys and values, (B, N, 3, heads, d), or (1, sum N_b, 3, heads, d) for a packed row.
        weight: (B, N) or (1, sum N_b), not negative, at least one positive per image; None for all ones.
        segments: the images of a packed row; None where images lie in the batch dimension.
        lengths: B figures, if it is known that of each image the first so many tokens (of a packed row: all) have positive
            weights and that nobody reads the output of the others, of weight 0: the backward pass then skips what they
            leave at 0.
        pair_bias: (B or 1, heads, N, N), b, added to the scores of queries and keys, e.g. a relative position bias; None for
            none. It goes with neither ``segments`` nor ``lengths``.

    Returns:
        (B, N, heads, d) or (1, sum N_b, heads, d).

    Raises:
        ValueError: a bias of pairs and a packed row.
    """
    if pair_bias is not None and (segments is not None or lengths is not None):
        raise ValueError('pair_bias is for images that lie in the batch dimension: give neither segments nor lengths with it')
    trains = weight is not None and torch.is_grad_enabled() and weight.requires_grad
    # Where every weight is positive, log(weight) has a usable gradient: on a GPU the kernels' own backward pass brings it.
    all_positive = segments is not None and lengths is not None
    if trains and not (qkv.is_cuda and all_positive):
        return _WeightedAttention.apply(qkv, weight, segments, lengths, pair_bias)
    q, k, v = qkv.unbind(2)
    return fused_attention(q, k, v, None if weight is None else weight.log(), segments, pair_bias)


class _WeightedAttention(torch.autograd.Function):
    """Fused attention forward; a backward pass of its own, since log(weight) has no usable gradient at weight 0."""

    @staticmethod
    def forward(
        ctx,
        qkv: Tensor,
        weight: Tensor,
        segments: Segments | None,
        lengths: Sequence[int] | None,
        pair_bias: Tensor | None,
    ) -> Tensor:
        q, k, v = qkv.unbind(2)
        y = fused_attention(q, k, v, weight.log(), segments, pair_bias)
        ctx.save_for_backward(qkv, weight, y, pair_bias)
        ctx.segments, ctx.lengths = segments, lengths
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        qkv, weight, y, pair_bias = ctx.saved_tensors
        dtype = torch.promote_types(qkv.dtype, torch.float32)
        q, k, v = (x.to(dtype) for x in qkv.unbind(2))
        grad_y, scale = grad_y.to(dtype), q.shape[-1] ** -0.5
        drop = (grad_y * y).sum(dim=-1, keepdim=True)
        tensors = (q, k * scale, v, weight.to(dtype), grad_y, drop)
        grad_qkv = torch.empty_like(qkv, dtype=dtype, memory_format=torch.contiguous_format)
        grads = (*grad_qkv.unbind(2), torch.empty_like(tensors[3]))
        grad_pairs = None
        if pair_bias is not None:  # many short sequences, a few of them in the cache at a time
            grad_pairs = _window_by_window(tensors, grads, pair_bias.to(dtype)).to(pair_bias.dtype)
        elif qkv.is_cuda and ctx.segments is None:  # launches cost more there than memory
            _store(grads, _grads_of_batch(*tensors)[:4])
        else:
            _image_by_image(tensors, grads, ctx.segments, ctx.lengths)
        grads[1].mul_(scale)
        return grad_qkv.to(qkv.dtype), grads[3].to(weight.dtype), None, None, grad_pairs


def _window_by_window(tensors: Sequence[Tensor], grads: Sequence[Tensor], pair_bias: Tensor) -> Tensor:
    """Find the gradients of a batch of short sequences, some at a time on a CPU; returns that of the bias of pairs."""
    batch, length, heads, _ = tensors[0].shape
    some = batch if pair_bias.is_cuda else max(_CPU_SCORES // (heads * length**2), 1)
    grad_pairs = torch.zeros_like(pair_bias)
    for start in range(0, batch, max(some, 1)):
        part = slice(start, start + some)
        bias = pair_bias if len(pair_bias) == 1 else pair_bias[part]
        *parts, dz = _grads_of_batch(*(x[part] for x in tensors), pair_bias=bias)
        _store([x[part] for x in grads], parts)
        if len(pair_bias) == 1:
            grad_pairs += dz.sum(dim=0, keepdim=True)
        else:
            grad_pairs[part] = dz
    return grad_pairs


def _image_by_image(
    tensors: Sequence[Tensor], grads: Sequence[Tensor], segments: Segments | None, lengths: Sequence[int] | None
) -> None:
    """Find the gradients with the (heads, N, N) matrices of one image at a time, which stay in the cache."""
    images, targets = _images(tensors, segments), _images(grads, segments)
    for image, target, leading in zip(images, targets, lengths or [None] * len(images), strict=True):
        _store(target, _grads_of_batch(*image)[:4] if leading is None else _grads_of_leading(leading, *image))


def _store(targets: Sequence[Tensor], parts: Sequence[Tensor]) -> None:
    """Copy, and fill with 0 what a part lacks at the end."""
    for target, part in zip(targets, parts, strict=True):
        if len(part) < len(target):
            target[len(part) :] = 0
            target = target[: len(part)]
        target.copy_(part)


def _images(tensors: Sequence[Tensor], segments: Segments | None) -> list[tuple[Tensor, ...]]:
    """Views of each image, without batch dimension."""
    parts = (x if segments is None else x[0].split(segments.lengths) for x in tensors)
    return list(zip(*parts, strict=True))


def _grads_of_batch(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, dy: Tensor, drop: Tensor, pair_bias: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Gradients of `weighted_attention`.

    Args:
        q, k, v: (..., N, heads, d), k already divided by sqrt(d).
        w: (..., N), the weights.
        dy: (..., N, heads, d), the output's gradient.
        drop: (..., N, heads, 1), dy . y.
        pair_bias: (..., heads, N, N).

    Returns:
        The gradients by q, k (to be divided by sqrt(d)), v, w and the scores.
    """
    q, k, v, dy, drop = (x.transpose(-3, -2) for x in (q, k, v, dy, drop))
    w = w[..., None, None, :]
    z = q @ k.mT
    if pair_bias is not None:
        z += pair_bias
    z -= torch.logsumexp(z + w.log(), dim=-1, keepdim=True)
    z.clamp_(max=_MAX_EXPONENT).exp_()  # z_qi / sum_p w_p z_qp
    dz = dy @ v.mT
    dz -= drop
    dz *= z
    dw = dz.sum(dim=(-3, -2))
    dz *= w
    z *= w
    return *(grad.transpose(-3, -2) for grad in (dz @ k, dz.mT @ q, z.mT @ dy)), dw, dz


def _grads_of_leading(n: int, q: Tensor, k: Tensor, v: Tensor, w: Tensor, dy: Tensor, drop: Tensor) -> tuple[Tensor, ...]:
    """The same of one image, whose first n tokens alone have positive weights and outputs that are read.

    Returns:
        The gradients by q, k, v (n, heads, d), beyond which they are 0, and by w (N,).
    """
    q, k, v, dy, drop = (x.transpose(0, 1) for x in (q, k, v, dy, drop))
    absent, k = k[:, n:], k[:, :n]
    q, dy = q[:, :n], dy[:, :n]
    dz = torch.baddbmm(drop[:, :n], dy, v.mT, beta=-1)
    scores = torch.baddbmm(w[:n].log(), q, k.mT)
    if n == len(w):
        share = scores.softmax(dim=-1)
        dz.mul_(share)
        dw = dz.sum(dim=(0, 1)) / w
    else:
        log_partition = torch.logsumexp(scores, dim=-1, keepdim=True)
        share = scores.sub_(log_partition).exp_()
        z = torch.baddbmm(log_partition, q, absent.mT, beta=-1).clamp_(max=_MAX_EXPONENT).exp_()
        dw = z.mul_(dz[:, :, n:]).sum(dim=(0, 1))
        dz = share * dz[:, :, :n]
        dw = torch.cat((dz.sum(dim=(0, 1)) / w[:n], dw))
    return *(grad.transpose(0, 1) for grad in (torch.bmm(dz, k), torch.bmm(dz.mT, q), torch.bmm(share.mT, dy))), dw
