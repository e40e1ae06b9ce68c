"""Load weights of any supported origin into a Swin with timm's names."""

from functools import partial
from math import isqrt
from typing import Any

from timm.layers import resize_rel_pos_bias_table
from torch import Tensor, nn

from .errors import CheckpointError
from .matching import load_network
from .report import LoadReport, State
from .sources import Source, resolve
from .swin_names import TABLE, detect_swin_origin, to_timm_swin


def load_swin(
    model: nn.Module,
    source: Source,
    *,
    arch: str = '',
    strict: bool = True,
    prefix: str = '',
    fresh: tuple[str, ...] = ('gate.', 'gate_loss.', 'coarse_embed.', 'out_norms.', 'fills.'),
    keep: tuple[str, ...] = (),
) -> LoadReport:
    """Load a Swin checkpoint of timm, Microsoft, mmpretrain, mmseg, mmdet or msvit into a model with timm's names.

    As `load_vit` does, whose arguments and errors mean the same here, but another patch or window size always is an error.

    Relative position biases belong to a window size, so those of another one are refused. One case is no other window size:
    where a stage's grid of tokens is smaller than the window, timm takes the grid as window. The model's window is then the
    checkpoint's, clipped to the stage's grid side by side, and the biases are resized as timm does. That holds in every stage
    or the checkpoint is refused; a model whose window was chosen smaller shows it in the first stage whose grid is larger.

    Args:
        model: Swin whose parameters have timm's names. Its blocks' ``attn.window_size`` are the windows; the grids are its
            blocks' ``input_resolution``, or follow from ``patch_embed.grid_size``.
        fresh: Prefixes of parameters that a plain Swin lacks; the norms ``out_norms.N.`` of each stage count one by one.
    """
    found = resolve(source, arch, prefix)
    fit = partial(_fit_tables, model)
    return load_network(model, found, detect_swin_origin, to_timm_swin, fit, strict=strict, fresh=fresh, keep=keep)


def _fit_tables(model: nn.Module, state: State, target: State, report: LoadReport) -> State:
    """Resize the relative position biases of windows that the model's grid clips; refuse those of another window size."""
    tables = {name: table for name, table in state.items() if name.endswith(TABLE)}
    notes = []
    for name in (name for name in target if name in tables):
        table, wanted = tables[name], target[name]
        if table.shape == wanted.shape or table.shape[1:] != wanted.shape[1:]:  # another number of heads: reported later
            continue
        block = name.removesuffix(TABLE)
        side, window = _square_window(table), _window(model, block)
        words = 'that is not square' if side is None else f'{side}x{side}'
        wanted_words = f'{window[0]}x{window[1]}'
        if side is None or window != _clipped(side, model, block):
            # Windows that differ were clipped by the checkpoint's own image size.
            alike = side is not None and {_square_window(table) for table in tables.values()} == {side}
            advice = f'state window_size={side} in its arch' if alike else 'state the img_size of the weights'
            raise CheckpointError(
                f'relative position bias of {block}: window {words} in {report.source}, {wanted_words} in the model: '
                f'{advice}, or take weights of window {wanted_words}'
            )
        state[name] = resize_rel_pos_bias_table(table.float(), window, tuple(wanted.shape))
        stage = block.partition('.blocks.')[0]
        notes.append(
            f'relative position biases of {stage} resized from window {words} to {wanted_words}: no more tokens in img_size'
        )
    report.notes += dict.fromkeys(notes)
    return state


def _square_window(table: Tensor) -> int | None:
    """Tell the side w of the square window that a table of (2w - 1)² entries belongs to; None: of no square window."""
    side = isqrt(len(table))
    return (side + 1) // 2 if side**2 == len(table) and side % 2 else None


def _window(model: nn.Module, block: str) -> tuple[int, int]:
    attention: Any = model.get_submodule(f'{block}.attn')
    rows, columns = attention.window_size
    return rows, columns


def _clipped(side: int, model: nn.Module, block: str) -> tuple[int, int]:
    """Clip a square window to the grid of tokens of a block, where the model says it."""
    merged = 1
    grid = getattr(model.get_submodule(block), 'input_resolution', None)
    if grid is None:
        merged = 2 ** int(block.split('.')[1])
        grid = getattr(getattr(model, 'patch_embed', None), 'grid_size', None)
    if grid is None:
        return side, side
    rows, columns = (min(side, -(-length // merged)) for length in grid)
    return rows, columns
