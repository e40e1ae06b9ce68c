"""Position embedding at two scales, without new parameters."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exporting import are_known, cached_map, full_precision
from .grid import TokenGrid


def position_table(pos_embed: Tensor, native_shape: tuple[int, int], grid: TokenGrid, mode: str = 'bilinear') -> Tensor:
    """Interpolate position embeddings to both grids, for all candidate tokens.

    Args:
        pos_embed: (1, h * w, D), learned on the fine grid of the native image size.
        native_shape: (h, w).
        grid: the candidates.
        mode: ``'bilinear'`` (the paper's linear interpolation) or ``'bicubic'`` (timm's); both antialiased.

    Returns:
        (Nc + Nf, D), coarse first. Untouched where the fine grid is the native one.
    """
    fine = _resize(pos_embed.reshape(*native_shape, -1), grid.fine_shape, mode)
    # A region at the border may lack cells: repeat the last ones, so that its centre stays where it is.
    (rows, columns), (regions_down, regions_across) = grid.fine_shape, grid.region_shape
    lacking = regions_down * grid.ratio - rows, regions_across * grid.ratio - columns
    coarse = _resize(fine, grid.region_shape, mode, repeat_last=lacking)
    return torch.cat((coarse.flatten(0, 1), fine.flatten(0, 1)))


def _resize(table: Tensor, shape: tuple[int, int], mode: str, repeat_last: tuple[int, int] = (0, 0)) -> Tensor:
    """Interpolate (h, w, D), its last row and column repeated so often, to (H, W, D): one product for each axis.

    Equals ``F.interpolate(..., antialias=True)``, and takes a fraction of its time.
    """
    height, width, _ = table.shape
    if are_known(shape) and (height, width) == tuple(shape):
        return table
    rows = _interpolation(height, shape[0], mode, repeat_last[0], table.device)
    columns = _interpolation(width, shape[1], mode, repeat_last[1], table.device)
    with full_precision(table.device.type):
        resized = columns @ (rows @ table.float().flatten(1)).unflatten(1, (width, -1))
    return resized.to(table.dtype)


@cached_map(maxsize=64)
def _interpolation(length: int, target: int, mode: str, repeat_last: int, device: torch.device) -> Tensor:
    """The matrix (target, length) that resizes one axis, after its last entry was repeated so often."""
    unit = F.pad(torch.eye(length, device=device)[None, None], (0, 0, 0, repeat_last), mode='replicate')
    return F.interpolate(unit, size=(target, length), mode=mode, antialias=True)[0, 0]
