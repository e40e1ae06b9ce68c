"""Fused attention kernels on batches and on packed rows of sequences."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..tokens import Segments


def _find_varlen_attn() -> Callable[..., Any] | None:
    """torch's flash attention on packed rows; None before torch 2.11, where it is missing or takes no scale."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if 'scale' in signature(varlen_attn).parameters else None


varlen_attn = _find_varlen_attn()


def fused_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    segments: Segments | None = None,
    pair_bias: Tensor | None = None,
) -> Tensor:
    """Softmax attention by the fastest kernel of the device: softmax(q k^T / sqrt(d) + bias + pair_bias) v.

    Args:
        q, k, v: (B, N, heads, d), or (1, sum N_b, heads, d) for a packed row.
        bias: (B, N) or (1, sum N_b), added to all scores of a key; None for none.
        segments: the images of a packed row; None where images lie in the batch dimension.
        pair_bias: (B or 1, heads, N, N), added to the score of each pair of query and key; None for none. Without segments.

    Returns:
        The shape of ``q``.
    """
    if pair_bias is not None:
        return _pairs(q, k, v, bias, pair_bias)
    if segments is None or len(segments.lengths) == 1:
        return _batch(q, k, v, bias)
    if len(set(segments.lengths)) == 1:  # none longer than another, as under a gate's budget: a batch as it is
        shape = (-1, segments.lengths[0])
        q, k, v = (x[0].unflatten(0, shape) for x in (q, k, v))
        bias = None if bias is None else bias[0].unflatten(0, shape)
        return _batch(q, k, v, bias).flatten(0, 1).unsqueeze(0)
    if not q.is_cuda:
        return _one_by_one(q, k, v, bias, segments)
    if varlen_attn is not None and q.dtype in (torch.float16, torch.bfloat16):
        return _variable_length(varlen_attn, q, k, v, bias, segments)
    return _padded(q, k, v, bias, segments)


def _batch(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    mask = None if bias is None else bias.to(q.dtype)[:, None, None, :]
    return F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)), attn_mask=mask).transpose(1, 2)


def _pairs(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, pair_bias: Tensor) -> Tensor:
    """A bias for each pair. For many short sequences, such as windows, the CPU's plain products are the fastest kernel."""
    if bias is not None:
        pair_bias = pair_bias + bias[:, None, None, :].to(pair_bias.dtype)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if q.is_cuda or q.dtype not in (torch.float32, torch.float64):
        mask = pair_bias.to(q.dtype).expand(len(q), -1, -1, -1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
    shape, scale = q.shape, q.shape[-1] ** -0.5
    q, k, v = (x.reshape(-1, *shape[2:]) for x in (q, k, v))
    scores = pair_bias.to(q.dtype).expand(*shape[:2], -1, -1).reshape(-1, shape[2], shape[2])
    scores = torch.baddbmm(scores, q, k.mT, alpha=scale)
    return torch.bmm(scores.softmax(dim=-1), v).view(shape).transpose(1, 2)


def _one_by_one(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, segments: Segments) -> Tensor:
    """Image after image: on a CPU, where a call costs little and padding much."""
    lengths = segments.lengths
    biases = [None] * len(lengths) if bias is None else bias.split(lengths, dim=1)
    images = zip(*(x.split(lengths, dim=1) for x in (q, k, v)), biases, strict=True)
    return torch.cat([_batch(*image) for image in images], dim=1)


def _variable_length(
    kernel: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, segments: Segments
) -> Tensor:
    """Flash attention over the row as it is: half precision on a GPU. It knows no bias, so that rides in extra features."""
    width, scale = q.shape[-1], q.shape[-1] ** -0.5
    if bias is not None:
        q, k, v = bias_as_features(q, k, v, bias, scale)
    longest, offsets = max(segments.lengths), segments.offsets
    y = kernel(q[0], k[0], v[0], offsets, offsets, longest, longest, scale=scale)
    return y[..., :width].unsqueeze(0)


def bias_as_features(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Add eight features with which scale * q k^T holds the bias of each key.

    Args:
        q, k, v: (B, N, heads, d).
        bias: (B, N).
        scale: of the scores.

    Returns:
        (B, N, heads, d + 8) each; the last eight features of the output are 0.
    """
    # an absent key's -inf would leave inf - inf below; half of the lowest number weighs nothing either
    wanted = (bias.float() / scale).clamp(min=torch.finfo(k.dtype).min / 2)
    # the second feature holds what half precision rounds away from the first; the rest keeps the kernel's alignment
    whole = wanted.to(k.dtype)
    rest = (wanted - whole.float()).to(k.dtype)
    features = torch.stack((whole, rest), dim=-1).unsqueeze(2).expand(*k.shape[:-1], 2)
    q = F.pad(F.pad(q, (0, 2), value=1.0), (0, 6))
    return q, F.pad(torch.cat((k, features), dim=-1), (0, 6)), F.pad(v, (0, 8))


def _padded(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, segments: Segments) -> Tensor:
    """Images side by side, padded to the longest: few launches, for GPUs without a kernel of variable length."""
    lengths = segments.lengths
    bias = q.new_zeros(q.shape[:2]) if bias is None else bias
    mask = pad_sequence(list(bias[0].split(lengths)), batch_first=True, padding_value=float('-inf'))
    q, k, v = (pad_sequence(list(x[0].split(lengths)), batch_first=True) for x in (q, k, v))
    y = _batch(q, k, v, mask)
    return torch.cat([image[:length] for image, length in zip(y, lengths, strict=True)]).unsqueeze(0)
