"""MSViT in plain torch: slow, obvious, the page to read first and what the tests hold the fast code to.

1. A gate looks at each region of the image and decides: one coarse token, or a fine one for each cell (`decide`).
2. Both scales make candidate tokens; the decision says which of them are there (`is_token`, `embed`).
3. Attention counts each key as often as it is there: once, or not at all (`masked_attention`).
4. Behind the last block every cell takes its own token, or that of its region (`replicate`).

Everything here is about one image of H x W pixels, Hc x Wc regions of S_c pixels and Hf x Wf cells of S_f; every candidate is
in memory, coarse ones first, absent ones masked. The fast code reads and writes the same numbers: `msvit.tokens` leaves absent
tokens out of memory, `msvit.attention` runs fused kernels, `msvit.backbones` puts both into timm's blocks.
"""

from math import ceil
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from .backbones import MSViT
    from .backbones.block import MixedScaleBlock


def decide(logits: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Draw from the relaxed Bernoulli distribution (equation 11), and cut it with a straight-through gradient (equation 12).

    Args:
        logits: (Hc, Wc), the gate's log-odds of fine.
        noise: (Hc, Wc), uniform in (0, 1).
        temperature: of the relaxation, > 0.

    Returns:
        ``p_fine`` in (0, 1), and the mask of 0 and 1 with its gradient.
    """
    p_fine = torch.sigmoid((logits + noise.log() - (1 - noise).log()) / temperature)
    hard = (p_fine > 0.5).to(p_fine.dtype)
    return p_fine, hard + (p_fine - p_fine.detach())


def is_token(fine_mask: Tensor, shape: tuple[int, int], ratio: int) -> Tensor:
    """Say of each candidate whether it is a token (equation 13).

    Args:
        fine_mask: (Hc, Wc), 1 where a region is fine.
        shape: (Hf, Wf).
        ratio: cells along the side of a region, S_c / S_f.

    Returns:
        (Hc * Wc + Hf * Wf,): coarse candidates where a region is not fine, then fine ones where theirs is.
    """
    coarse = [1 - region for region in fine_mask.flatten()]
    fine = [fine_mask[y // ratio, x // ratio] for y in range(shape[0]) for x in range(shape[1])]
    return torch.stack(coarse + fine)


def masked_attention(q: Tensor, k: Tensor, v: Tensor, weight: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """Attend to keys that count ``weight`` times, in numerator and denominator (equation 15).

    Args:
        q, k, v: (..., N, heads, d).
        weight: (..., N), not negative.
        bias: (..., heads, N, N), added to the scores of pairs, such as Swin's.

    Returns:
        (..., N, heads, d).
    """
    q, k, v = (x.transpose(-3, -2) for x in (q, k, v))
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + bias
    z = (scores - scores.amax(dim=-1, keepdim=True).detach()).exp()  # any constant may leave the scores of a query
    z = z * weight[..., None, None, :]
    return ((z @ v) / z.sum(dim=-1, keepdim=True)).transpose(-3, -2)


def replicate(tokens: Tensor, fine_mask: Tensor, shape: tuple[int, int], ratio: int) -> Tensor:
    """Give every cell its token: its own where its region is fine, else that of the region (section E.1).

    Args:
        tokens: (Hc * Wc + Hf * Wf, C), of all candidates.
        fine_mask: (Hc, Wc) bool.
        shape: (Hf, Wf).
        ratio: S_c / S_f.

    Returns:
        (C, Hf, Wf).
    """
    regions, rows = fine_mask.numel(), []
    for y in range(shape[0]):
        for x in range(shape[1]):
            region = y // ratio, x // ratio
            own, coarse = regions + y * shape[1] + x, region[0] * fine_mask.shape[1] + region[1]
            rows.append(tokens[own if fine_mask[region] else coarse])
    return torch.stack(rows, dim=1).unflatten(1, shape)


def embed(net: 'MSViT', image: Tensor) -> Tensor:
    """Embed the candidates of an image at both scales, with their positions.

    Args:
        net: an `MSViT`.
        image: (3, H, W).

    Returns:
        (Hc * Wc + Hf * Wf, C).
    """
    height, width = image.shape[1:]
    ratio, size = net.coarse_patch_size // net.patch_size, net.coarse_patch_size
    shape = ceil(height / net.patch_size), ceil(width / net.patch_size)
    regions = ceil(height / size), ceil(width / size)
    padded = F.pad(image, (0, regions[1] * size - width, 0, regions[0] * size - height))
    # a coarse patch is looked at in the resolution of a fine one
    coarse = net.patch_embed.proj(F.avg_pool2d(padded, ratio))
    fine = net.patch_embed.proj(padded)[:, : shape[0], : shape[1]]
    table = net.pos_embed[0, net.pos_embed.shape[1] - net.native_shape[0] * net.native_shape[1] :]
    table = table.T.unflatten(1, net.native_shape)[None]
    fine_table = F.interpolate(table, shape, mode='bilinear', antialias=True)
    lacking = (0, regions[1] * ratio - shape[1], 0, regions[0] * ratio - shape[0])
    coarse_table = F.interpolate(F.pad(fine_table, lacking, mode='replicate'), regions, mode='bilinear', antialias=True)
    tokens = (coarse + coarse_table[0]).flatten(1), (fine + fine_table[0]).flatten(1)
    return torch.cat(tokens, dim=1).T


def run_block(block: 'MixedScaleBlock', x: Tensor, weight: Tensor) -> Tensor:
    """Run timm's pre-norm block on tokens (..., N, C) whose keys count ``weight`` (..., N) times."""
    attention = block.attn
    q, k, v = attention.qkv(block.norm1(x)).unflatten(-1, (3, attention.num_heads, -1)).unbind(-3)
    y = masked_attention(attention.q_norm(q), attention.k_norm(k), v, weight)
    x = x + block.ls1(attention.proj(y.flatten(-2)))
    return x + block.ls2(block.mlp(block.norm2(x)))


def msvit(net: 'MSViT', image: Tensor, fine_mask: Tensor) -> Tensor:
    """Compute the feature map (C, Hf, Wf) of one image.

    Args:
        net: an `MSViT`; its layers are used, and nothing else of it.
        image: (3, H, W).
        fine_mask: (Hc, Wc), 1 where a region is fine; with a gradient, it reaches every entry.
    """
    shape = ceil(image.shape[1] / net.patch_size), ceil(image.shape[2] / net.patch_size)
    ratio = net.coarse_patch_size // net.patch_size
    present = is_token(fine_mask, shape, ratio)
    prefix = torch.cat([token[0] for token in (net.cls_token, net.reg_token) if token is not None])
    if not net.no_embed_class:
        prefix = prefix + net.pos_embed[0, : len(prefix)]
    x, weight = torch.cat((prefix, embed(net, image))), torch.cat((present.new_ones(len(prefix)), present))
    for block in net.blocks:
        x = run_block(block, x, weight)
    return replicate(net.norm(x)[len(prefix) :], fine_mask > 0.5, shape, ratio)
