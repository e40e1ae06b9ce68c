"""timm's attention on mixed-scale tokens, in three steps: project, attend, merge the heads."""

from typing import NamedTuple

import torch
from timm.layers import Attention
from torch import Tensor, nn

from ..tokens import TokenIndex
from .fused import fused_attention
from .weighted import weighted_attention


class KeyBias(NamedTuple):
    """What stands in for the index of images that are padded to one length.

    Args:
        bias: (B, N), added to the scores of all queries with a key: -inf for padding.
    """

    bias: Tensor
    segments: None = None


def key_bias(index: TokenIndex, dtype: torch.dtype) -> TokenIndex | KeyBias | None:
    """Find once, for all blocks of an encoder, how its tokens attend.

    Args:
        index: of the tokens.
        dtype: of the tokens.

    Returns:
        What `attend` takes: None where every key counts once, a bias where no gate trains, else the index.
    """
    if index.is_plain:
        return None
    weight = index.key_weight
    if weight is None or index.segments is not None or (torch.is_grad_enabled() and weight.requires_grad):
        return index
    return KeyBias(weight.log().to(dtype))


def project(attention: Attention, x: Tensor) -> Tensor:
    """Make queries, keys and values of tokens (..., N, C), normalised where the ViT does: (..., N, 3, heads, d)."""
    qkv = attention.qkv(x).unflatten(-1, (3, attention.num_heads, attention.head_dim))
    if isinstance(attention.q_norm, nn.Identity):
        return qkv
    q, k, v = qkv.unbind(-3)
    return torch.stack((attention.q_norm(q), attention.k_norm(k), v), dim=-3)


def attend(qkv: Tensor, index: TokenIndex | KeyBias | None = None) -> Tensor:
    """Attend within each image of a batch, whatever its layout.

    Args:
        qkv: queries, keys and values, (B, N, 3, heads, d), or (1, sum N_b, 3, heads, d) for a packed row.
        index: where the tokens lie and how often each counts as a key; None: images lie in the batch dimension, and every key
            counts once.

    Returns:
        (B, N, heads, d) or (1, sum N_b, heads, d).
    """
    if isinstance(index, TokenIndex):
        return _attend_ragged(qkv, index)  # pyright: ignore[reportCallIssue]  # torch types `disable` as a decorator maker
    q, k, v = qkv.unbind(2)
    return fused_attention(q, k, v, None if index is None else index.bias)


@torch.compiler.disable  # a graph would be made anew for every list of lengths; the linear layers around it compile
def _attend_ragged(qkv: Tensor, index: TokenIndex) -> Tensor:
    return weighted_attention(qkv, index.key_weight, index.segments, index.lengths)


def merge_heads(attention: Attention, y: Tensor, x: Tensor) -> Tensor:
    """Mix the heads' results (..., N, heads, d) into what leaves the layer, (..., N, C); ``x`` went into `project`."""
    y = attention.norm(y.flatten(-2))
    return attention.proj_drop(attention.proj(y if attention.gate is None else y * attention.gate(x).sigmoid()))


def class_attention(qkv: Tensor, index: TokenIndex) -> Tensor:
    """Tell how much the class token, the first prefix token, attends to each token, as `attend` does; mean over the heads.

    Args:
        qkv: as for `attend`.
        index: of the tokens; with at least one prefix token.

    Returns:
        (B, Nc + Nf) float, 0 for candidates that are no tokens. With what goes to prefix tokens the sum is 1.
    """
    heads, width = qkv.shape[-2:]
    prefix, tokens = index.memory.split(qkv[:, :, :2].flatten(2))  # queries and keys
    (query, key), tokens = prefix.chunk(2, dim=-1), tokens.chunk(2, dim=-1)[1]
    keys = torch.cat((key, index.memory.scatter(tokens)), dim=1).unflatten(-1, (heads, width))
    scores = torch.einsum('bhd,bnhd->bhn', query[:, 0].unflatten(-1, (heads, width)), keys).float() * width**-0.5
    weight = torch.cat((scores.new_ones(prefix.shape[:2]), index.candidate_weight()), dim=1)
    present = weight > 0  # log has no usable gradient at 0
    scores = scores + weight.where(present, 1).log().where(present, float('-inf')).unsqueeze(1)
    return scores.softmax(dim=-1).mean(dim=1)[:, index.num_prefix :]
