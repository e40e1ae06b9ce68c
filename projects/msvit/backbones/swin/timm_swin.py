"""Building timm's Swin Transformers, and what their blocks compute on the cells that are present."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed
from timm.models.swin_transformer import PatchMerging, SwinTransformer, SwinTransformerBlock
from torch import Tensor, nn

from ...drop_path import drop_images
from ...tokens import Segments
from ..timm_arch import build_timm
from .attention import pair_bias_table, window_attention
from .cells import CellGrid, take_rows
from .stages import CellRows
from .windows import Windows

# Arguments of timm's SwinTransformer that the backbone decides, or that would not do the same on mixed-scale tokens.
_OWN_OPTIONS = {
    *('img_size', 'num_classes', 'global_pool', 'embed_layer', 'always_partition', 'strict_img_size', 'dynamic_img_size'),
    *('drop_rate', 'drop_path_rate', 'attn_drop_rate', 'proj_drop_rate'),
}
# Rows that a CPU takes through a block at a time at inference, so that what lies between the layers stays in its cache.
_ROWS_AT_A_TIME = 2048


class SwinStage(Protocol):
    """What of timm's ``SwinTransformerStage`` is used; the first has no ``downsample`` that does anything."""

    downsample: PatchMerging
    blocks: Sequence[SwinTransformerBlock]


def build_timm_swin(arch: str | dict[str, Any], img_size: int | tuple[int, int]) -> SwinTransformer:
    """Build a timm Swin without classifier.

    Args:
        arch: a timm model name, or the arguments of timm's ``SwinTransformer`` (``embed_dim``, ``depths``, ``num_heads``,
            ``window_size``, ``patch_size``, ...).
        img_size: pixels, side or (height, width), that the windows are laid out for.

    Raises:
        ValueError: no such timm model, or one that mixed-scale tokens cannot drive; the message names the reason.
        TypeError: ``arch`` is neither a name nor a dict.
    """
    # not strict: timm would lay out masks for shifted windows that nobody reads
    options = dict(img_size=img_size, num_classes=0, strict_img_size=False, drop_path_rate=0.0)
    if isinstance(arch, dict):
        _check_windows(arch.get('window_size', 7), len(arch.get('depths', (2, 2, 6, 2))))
    swin, name = build_timm(arch, SwinTransformer, options, _OWN_OPTIONS, 'swin_*', _why_not)
    _check_supported(swin, name)
    return swin


def windows_of(block: SwinTransformerBlock, rows: CellRows, shifts: bool) -> list[tuple[Windows, Tensor | None]]:
    """The windows of a block that run, with the weights of their keys, as `run_block` wants them.

    Args:
        block: timm's.
        rows: the present cells.
        shifts: whether the block shifts its windows, see `shift_of`.
    """
    max_rows = None if _trains(block) or rows.device.type != 'cpu' else _ROWS_AT_A_TIME
    return rows.windows(block.window_size, shift_of(block, rows.cells, shifts), max_rows)


def run_block(
    block: SwinTransformerBlock,
    x: Tensor,
    rows: CellRows,
    parts: Sequence[tuple[Windows, Tensor | None]],
    drop_path_rate: float = 0.0,
) -> Tensor:
    """Run a Swin block on the present cells.

    Args:
        block: timm's.
        x: (n, C), the cells of ``rows``. At inference it is overwritten.
        rows: where they lie.
        parts: of `windows_of`.
        drop_path_rate: probability in training that an image skips attention, and likewise the MLP, in [0, 1).

    Returns:
        (n, C).
    """
    bias = pair_bias_table(block.attn, parts[0][0])
    if _trains(block):
        ((windows, weight),) = parts
        drop = None
        if block.training and drop_path_rate:  # windows, too, lie image after image
            drop = partial(_drop_images, rate=drop_path_rate, segments=rows.segments)
        y = _transform(block, take_rows(x, windows.rows), drop, windows, weight, bias)
        return take_rows(y, windows.row_positions)
    for windows, weight in parts:
        y = _transform(block, x.index_select(0, windows.rows), None, windows, weight, bias)
        x.index_copy_(0, windows.rows, y)
    return x


def shift_of(block: SwinTransformerBlock, cells: CellGrid, shifts: bool) -> tuple[int, int]:
    """By how many cells a block's windows are shifted: half a window, but not along an axis that one window covers."""
    rows, columns = (
        window // 2 if shifts and length > window else 0
        for length, window in zip((cells.height, cells.width), block.window_size, strict=True)
    )
    return rows, columns


def _trains(block: nn.Module) -> bool:
    return torch.is_grad_enabled() or block.training


def _transform(block: SwinTransformerBlock, x: Tensor, drop: Callable[[Tensor], Tensor] | None, *args: Any) -> Tensor:
    """Attention and MLP of the rows of some windows."""
    x = _add(x, window_attention(block.attn, block.norm1(x), *args), drop)
    return _add(x, block.mlp(block.norm2(x)), drop)


def _add(x: Tensor, y: Tensor, drop: Callable[[Tensor], Tensor] | None) -> Tensor:
    y = y if drop is None else drop(y)
    return x + y if torch.is_grad_enabled() else x.add_(y)


def _drop_images(y: Tensor, rate: float, segments: Segments) -> Tensor:
    return drop_images(y.unsqueeze(0), rate, segments).squeeze(0)


def merge_patches(merging: PatchMerging, x: Tensor, rows: CellRows, merged: CellRows) -> Tensor:
    """timm's patch merging on the present cells: x (n, C) of ``rows`` -> (n_merged, C_next) of ``merged``."""
    index = rows.merge_index(merged)
    if index is not None:  # a zero row stands for the padding of odd sides
        x = take_rows(F.pad(x, (0, 0, 0, 1)), index)
    return merging.reduction(merging.norm(x.view(-1, 4 * x.shape[1])))


def _check_windows(window_size: Any, stages: int) -> None:
    sizes = window_size if isinstance(window_size, Sequence) else [window_size]
    is_per_stage = len(sizes) > 2 or any(isinstance(size, Sequence) for size in sizes)
    if is_per_stage and len(sizes) != stages:
        raise ValueError(f'window_size {window_size} has {len(sizes)} entries for {stages} stages: give each one, or one')
    sides = [side for size in sizes for side in (size if isinstance(size, Sequence) else [size])]
    if any(not isinstance(side, int) or side < 1 for side in sides):
        raise ValueError(f'window_size {window_size} must be at least one cell on each side, in whole cells')


def _why_not(kind: str) -> str:
    return "mixed-scale tokens need Swin's windows and relative position biases, version 1"


def _check_supported(swin: SwinTransformer, name: str) -> None:
    if type(swin.patch_embed) is not PatchEmbed or swin.patch_embed.patch_size[0] != swin.patch_embed.patch_size[1]:
        raise ValueError(f'{name} has patches of {swin.patch_embed.patch_size} pixels: only square patches are supported')
    if len(swin.layers) < 2:
        raise ValueError(f'{name} has one stage: coarse regions need a later stage to enter at')
