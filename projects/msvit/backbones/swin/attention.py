"""Swin's attention within windows, on the cells that are present."""

from typing import Any

import torch
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn

from ...attention.weighted import weighted_attention
from .cells import take_rows
from .windows import Windows


def window_attention(
    attn: WindowAttention,
    x: Tensor,
    windows: Windows,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """timm's window attention over the present cells of some windows.

    Args:
        attn: holds the layers.
        x: (n, C), the normalised tokens ``windows.rows``.
        windows: which window and slot each token lies in.
        weight: (W, area), how often each slot counts as a key, see `weighted_attention`; None for once.
        bias: of `pair_bias_table`, if it is made already.

    Returns:
        (n, C).
    """
    count, heads, area = len(windows), attn.num_heads, windows.slot_rows.shape[1]
    qkv = attn.qkv(x)
    width = qkv.shape[-1] // (3 * heads)
    if windows.is_full:
        qkv = qkv.view(count, area, 3, heads, width)
    else:
        qkv = _IntoWindows.apply(qkv, _bias(attn.qkv, qkv), windows, heads).permute(1, 3, 0, 2, 4)
    bias = pair_bias_table(attn, windows) if bias is None else bias
    if windows.pattern is not None:
        bias = bias.index_select(0, windows.pattern)
    y = weighted_attention(qkv, weight, pair_bias=bias)
    if windows.is_full:
        y = y.reshape(-1, heads * width)
    else:
        y = take_rows(y.transpose(1, 2).reshape(-1, width), windows.outward(heads)).view(-1, heads * width)
    return attn.proj(y)


def pair_bias_table(attn: WindowAttention, windows: Windows) -> Tensor:
    """Make what is added to the scores of a window's pairs, (patterns, heads, area, area): the relative position bias and,
    where windows are shifted, what keeps cells apart."""
    area = windows.slot_rows.shape[1]
    bias = attn.relative_position_bias_table.t().index_select(1, attn.get_buffer('relative_position_index').flatten())
    bias = bias.view(1, -1, area, area)
    return bias if windows.pair_masks is None else bias + windows.pair_masks.to(bias.dtype).unsqueeze(1)


def _bias(layer: nn.Module, like: Tensor) -> Tensor:
    """Make what a linear layer makes of a zero."""
    bias: Any = layer.bias
    bias = bias() if callable(bias) else bias  # 8-bit layers hand it out by a method
    return like.new_zeros(like.shape[1]) if bias is None else bias.to(like.dtype)


class _IntoWindows(torch.autograd.Function):
    """Rows (n, 3 * heads * d) into their slots, (3, W, heads, area, d), and one more row into all slots of padding.

    The backward pass reads each row's slot where that of ``index_select`` would add up all slots.
    """

    @staticmethod
    def forward(ctx, qkv: Tensor, padding: Tensor, windows: Windows, heads: int) -> Tensor:
        ctx.windows, ctx.heads = windows, heads
        width = qkv.shape[1] // (3 * heads)
        slots = qkv.view(-1, width).index_select(0, windows.inward(heads))
        if windows.padding is not None:
            index = windows.padding_slots(heads)
            slots.index_copy_(0, index.flatten(), padding.view(3, 1, heads, width).expand(*index.shape, -1).flatten(0, 2))
        return slots.view(3, len(windows), heads, windows.slot_rows.shape[1], width)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        windows, heads = ctx.windows, ctx.heads
        grad = grad.reshape(-1, grad.shape[-1])
        part = torch.arange(3, device=grad.device)[:, None] * (len(grad) // 3)
        rows = grad.index_select(0, (windows.outward(heads).view(-1, 1, heads) + part).flatten())
        padding = None
        if windows.padding is not None:
            index = windows.padding_slots(heads)
            padding = grad.index_select(0, index.flatten()).view(*index.shape, grad.shape[1]).sum(dim=1).flatten()
        return rows.view(-1, 3 * heads * grad.shape[1]), padding, None, None
