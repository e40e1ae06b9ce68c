"""MACs of MSSwin: they follow from which regions are fine, for windows without a fine cell do not run."""

import torch
from torch import Tensor

from ...backbones import MSSwin
from ...backbones.swin.stages import CellRows, Stages
from ...backbones.swin.timm_swin import shift_of
from ...backbones.swin.windows import WindowGrid, running_windows
from ...tokens import TokenGrid
from .counting import Macs, linear_macs
from .vit import gate_macs


def swin_macs(backbone: MSSwin, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
    """As `backbone_macs`, in the packed layout; the coarse embedding counts as embedding, what fills early outputs as blocks.

    Raises:
        ValueError: no ``fine_mask``.
    """
    if fine_mask is None:
        raise ValueError('the MACs of MSSwin depend on where the fine regions lie: give fine_mask, (B, Hc, Wc)')
    stages = Stages(grid, len(backbone.layers), backbone.entry_stage - 1, fine_mask)
    coarse = (~fine_mask).flatten(1).sum(dim=1).double()
    embedding = coarse * backbone.coarse_embed.weight.numel()
    embedding += _cells(stages.rows[0]) * backbone.patch_embed.proj.weight.numel()
    blocks = coarse * linear_macs(backbone.fills)
    for i, layer in enumerate(backbone.layers[: max(backbone.out_indices) + 1]):
        if i > 0:
            merged = stages.fine_rows[i] if i <= stages.entry else stages.rows[i]
            blocks += _cells(merged) * layer.downsample.reduction.weight.numel()
        blocks += _cells(stages.rows[i]) * linear_macs(layer.blocks)
        for j, block in enumerate(layer.blocks):
            windows = WindowGrid(stages.rows[i].cells, block.window_size, shift_of(block, stages.rows[i].cells, j % 2 == 1))
            blocks += _running(windows, stages.rows[i]) * windows.area**2 * 2 * block.attn.proj.in_features
    return Macs(gate_macs(backbone, grid, counts), embedding, blocks)


def _cells(rows: CellRows) -> Tensor:
    """Cells in memory of each image, (B,)."""
    return rows.counts.double()


def _running(windows: WindowGrid, rows: CellRows) -> Tensor:
    """Windows that run of each image, (B,)."""
    present = rows.present
    if present is None:
        present = torch.ones(rows.batch, rows.cells.num_cells, dtype=torch.bool, device=rows.device)
    return running_windows(windows, present).sum(dim=1).double()
