"""Fit position embeddings to another grid of patches and to another set of prefix tokens."""

from math import isqrt
from typing import Any

import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from .errors import CheckpointError

_MODES = ('bicubic', 'bilinear')
_PREFIX_TOKENS = ('cls_token', 'dist_token', 'reg_token')

Grid = tuple[int, int]


def resize_pos_embed(
    pos_embed: Tensor, grid: Grid, source_grid: Grid, *, num_prefix: int = 0, mode: str = 'bicubic'
) -> Tensor:
    """Resample position embeddings to another grid; those of prefix tokens are kept.

    Args:
        pos_embed: (1, num_prefix + h·w, C) embeddings laid out for ``source_grid`` = (h, w); the first belong to no patch.
        grid: (H, W) patches wanted.
        mode: ``bicubic`` (timm's choice) or ``bilinear`` (the paper's), both antialiased.

    Returns:
        (1, num_prefix + H·W, C); the tensor itself where the grids are equal.

    Raises:
        ValueError: Unknown mode, or a number of positions that is not num_prefix + h·w.
    """
    if mode not in _MODES:
        raise ValueError(f'mode must be one of {", ".join(_MODES)}, got {mode!r}')
    height, width = source_grid
    if pos_embed.shape[1] != num_prefix + height * width:
        raise ValueError(f'{pos_embed.shape[1]} positions are not {num_prefix} prefix tokens and a grid of {height}x{width}')
    if tuple(grid) == (height, width):
        return pos_embed
    return resample_abs_pos_embed(pos_embed, list(grid), [height, width], num_prefix, mode)


def fit_positions(
    state: dict[str, Tensor],
    target: dict[str, Tensor],
    grid: Grid,
    *,
    source_grid: Grid | None = None,
    mode: str = 'bicubic',
) -> tuple[dict[str, Tensor], list[str]]:
    """Fit a ViT's position embeddings and prefix tokens to those of a model.

    Some ViTs add positions to their prefix tokens, others to patches alone. Both describe the same network: a position that
    the model has no place for is added to its token, and one that the checkpoint lacks is zero. A distillation token that
    the model lacks is dropped.

    Args:
        state: The checkpoint under timm's names, ``pos_embed`` (1, L, C) among them.
        target: The model's own tensors by name; its patches lie in ``grid``, (H, W).
        source_grid: (h, w) patches of the checkpoint; None: inferred, a square or else the model's own grid.

    Returns:
        A new state, and what was changed in words.

    Raises:
        CheckpointError: The checkpoint's grid cannot be told from its number of positions.
    """
    state, notes = dict(state), []
    pos = state['pos_embed']
    tokens, wanted = _count_tokens(state), _count_tokens(target)
    covered = target['pos_embed'].shape[1] > grid[0] * grid[1]
    num_prefix, source_grid = _infer_grid(pos.shape[1], tokens, grid, source_grid, covered)
    patches = resize_pos_embed(pos[:, num_prefix:], grid, source_grid, mode=mode)
    if tuple(grid) != tuple(source_grid):
        notes.append(f'position embeddings resized from {source_grid[0]}x{source_grid[1]} to {grid[0]}x{grid[1]} ({mode})')
    positions = _prefix_positions(pos[:, :num_prefix], tokens)
    if tokens['dist_token'] and not wanted['dist_token']:
        del state['dist_token']
        positions.pop('dist_token', None)
        notes.append('distillation token and its position dropped: the model has none')
    if covered:
        if num_prefix < sum(tokens.values()):
            notes.append('prefix tokens have no position in the checkpoint: zeros taken')
        prefix = [positions.get(name, pos.new_zeros(1, n, pos.shape[2])) for name, n in wanted.items()]
        patches = torch.cat([*prefix, patches], dim=1)
    else:
        for name in (name for name in positions if wanted[name]):
            state[name] = state[name].float() + positions[name].float()
            notes.append(f'position of {name} added to the token: the model has positions for patches alone')
    state['pos_embed'] = patches
    return state, notes


def fit_square_positions(vit: Any, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Resize the position embeddings of a whole model's checkpoint, made for another square image, as mmpretrain's ViT does.

    Args:
        vit: with ``pos_embed`` and ``native_shape``, (H, W) patches; this is a hook before its ``load_state_dict``.
        state: of the whole model; is changed. Other shapes stay, for ``load_state_dict`` to refuse.
        prefix: of the ViT's names in it.
    """
    name = f'{prefix}pos_embed'
    if name not in state or state[name].dim() != 3 or state[name].shape == vit.pos_embed.shape:
        return
    num_prefix = vit.pos_embed.shape[1] - vit.native_shape[0] * vit.native_shape[1]
    area = state[name].shape[1] - num_prefix
    side = isqrt(max(area, 0))
    if side**2 == area > 0:
        state[name] = resize_pos_embed(state[name], vit.native_shape, (side, side), num_prefix=num_prefix)


def _count_tokens(state: dict[str, Tensor]) -> dict[str, int]:
    return {name: state[name].shape[1] if name in state else 0 for name in _PREFIX_TOKENS}


def _prefix_positions(prefix: Tensor, tokens: dict[str, int]) -> dict[str, Tensor]:
    """Share the leading positions out to the tokens, in order; the last tokens may have none."""
    positions = {}
    for name, n in tokens.items():
        if n and prefix.shape[1] >= n:
            positions[name], prefix = prefix[:, :n], prefix[:, n:]
    return positions


def _infer_grid(length: int, tokens: dict[str, int], grid: Grid, source_grid: Grid | None, covered: bool) -> tuple[int, Grid]:
    """Tell how many of ``length`` positions lead, and the grid of the others: the model's own convention is tried first."""
    everything = sum(tokens.values())
    no_registers = everything - tokens['reg_token']  # DINOv2's registers have no position
    for num_prefix in (everything, no_registers, 0) if covered else (0, everything, no_registers):
        area = length - num_prefix
        side = isqrt(max(area, 0))
        grids = {(side, side), grid} if source_grid is None else {source_grid}
        fitting = sorted(g for g in grids if g[0] * g[1] == area > 0)
        if len(fitting) == 1:
            return num_prefix, fitting[0]
        if fitting:
            a, b = fitting
            raise CheckpointError(f'{area} patch positions may be {a[0]}x{a[1]} or {b[0]}x{b[1]}: state source_grid')
    given = f'the given source_grid {source_grid}' if source_grid is not None else f'a square or {grid[0]}x{grid[1]} grid'
    raise CheckpointError(
        f'{length} positions of the checkpoint, {everything} prefix tokens, do not fit {given}: state the right source_grid'
    )
