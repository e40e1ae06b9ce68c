"""Patch and position embedding at two scales, without new parameters."""

import torch
import torch.nn.functional as F
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from .grid import TokenGrid


def embed_patches(patches: Tensor, projection: nn.Conv2d) -> Tensor:
    """Embed flat patches by a ViT's patch convolution, as the linear layer that it is.

    Args:
        patches: (..., C * S_f * S_f), as `TokenGrid.patches` gives them.
        projection: the convolution of kernel and stride S_f; coarse and fine patches share it.

    Returns:
        (..., embed_dim).
    """
    return F.linear(patches, projection.weight.flatten(1), projection.bias)


def position_table(pos_embed: Tensor, native_shape: tuple[int, int], grid: TokenGrid, mode: str = 'bilinear') -> Tensor:
    """Position embeddings of all candidate tokens, interpolated to both grids.

    Args:
        pos_embed: (1, h * w, D), learned on the fine grid of the native image size.
        native_shape: (h, w).
        grid: the candidates.
        mode: ``'bilinear'`` (the paper's linear interpolation) or ``'bicubic'`` (timm's); both antialiased.

    Returns:
        (Nc + Nf, D), coarse first. Untouched where the fine grid is the native one.
    """
    height, width = grid.fine_shape
    fine = resample_abs_pos_embed(pos_embed, [height, width], list(native_shape), num_prefix_tokens=0, interpolation=mode)
    # A region at the border may lack cells: repeat the last ones, so that its centre stays where it is.
    rows = torch.arange(grid.region_shape[0] * grid.ratio, device=fine.device).clamp(max=height - 1)
    columns = torch.arange(grid.region_shape[1] * grid.ratio, device=fine.device).clamp(max=width - 1)
    whole = fine.reshape(height, width, -1)[rows[:, None], columns].flatten(0, 1).unsqueeze(0)
    coarse = resample_abs_pos_embed(
        whole, list(grid.region_shape), [len(rows), len(columns)], num_prefix_tokens=0, interpolation=mode
    )
    return torch.cat((coarse, fine), dim=1).squeeze(0)
