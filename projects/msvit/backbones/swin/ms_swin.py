"""MSSwin: a Swin Transformer whose early stages run on fine regions alone."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, cast

import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...checkpoints import load_swin
from ...checks import check_count, check_flag, check_init_cfg, check_pretrained, check_sides, is_count, is_indices
from ...drop_path import drop_path_rates
from ...linear import adopt_linears, embed_patches
from ...tokens import TokenGrid, pad_to_multiple, patchify
from ..gated import GatedBackbone
from ..macs import Macs, linear_macs
from ..trace import Decided
from .stages import Stages
from .timm_swin import SwinStage, build_timm_swin, merge_patches, run_block, shift_of, windows_of
from .windows import WindowGrid


class MSSwin(GatedBackbone):
    """A timm Swin Transformer in which coarse regions skip the early stages (section E.3).

    Stage i works at the scale s_i = 4 * 2 ** (i - 1) pixels. Regions of S_c pixels that the gate calls coarse enter by one
    linear embedding at the stage whose scale is S_c; before it, linear layers run on the cells of fine regions and windows
    without such a cell are skipped. With every region fine this is the plain Swin.

    The parameters carry timm's names. Beside them stand ``gate``, ``gate_loss``, ``coarse_embed``; ``fills``, which give
    coarse regions a place in the outputs of stages that they skip; and ``out_norms``.

    ===============  ==============================================================================================
    ``out_type``     ``forward`` returns a tuple of
    ===============  ==============================================================================================
    ``featmap``      a tensor (B, C_i, H_i, W_i) for each of ``out_indices``; before the entry stage the cells of a coarse
                     region share a projection of its embedding, 0 at the start
    ``avg_featmap``  one tensor (B, C), the mean over the last stage's cells, for mmpretrain heads
    ===============  ==============================================================================================

    Args:
        arch: a timm Swin name, or a dict of ``SwinTransformer`` arguments (``embed_dim``, ``depths``, ``num_heads``,
            ``window_size``, ``patch_size``).
        img_size: pixels, side or (height, width), that the windows are laid out for: none is larger than its stage's grid.
            Any input size works.
        coarse_patch_size: side of a region in pixels, S_c: the scale of any stage but the first.
        entry_stage: the stage, counted from 1, at which coarse regions enter: the one of scale S_c, so it need not be given.
        gate: who decides: a module, a registry config such as ``dict(type='msvit.MLPGate')``, a checkpoint of a trained gate,
            or None: all fine, the plain Swin.
        gate_loss: shapes the gate in training, see `MSViT`.
        layout: ``'packed'``, fine cells alone lie in memory; or ``'masked'``, all do, absent ones are masked in attention.
        train_layout: the layout in training mode, by default ``layout``. ``'masked'`` alone tells the gate how absent cells
            would have served.
        out_type: see the table.
        out_indices: stages, counted from 0, whose output is returned, negative ones counted from the end; the final norm
            applies to the last stage. Stages that no output needs do not run.
        norm_outputs: norms of their own for the outputs of other stages than the last, as detectors and segmentors use.
        drop_path_rate: stochastic depth of the last block, linear from 0 at the first, in [0, 1).
        frozen_stages: -1: nothing is frozen; 0: the patch embedding; n: the first n stages and the norms of their outputs too.
            What is new beside Swin always trains.
        with_cp: recompute the blocks in the backward pass to save memory.
        pretrained: None, True (timm's weights for ``arch``), or a checkpoint of any supported origin, see `load_swin`.
        init_cfg: see `MSViT`.

    Raises:
        ValueError: an argument is out of its range or arguments do not fit each other.
        TypeError: the gate is no `BaseGate`, or ``arch`` neither a name nor a dict.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = 'swin_tiny_patch4_window7_224',
        img_size: int | tuple[int, int] = 224,
        coarse_patch_size: int = 16,
        entry_stage: int | None = None,
        gate: nn.Module | dict[str, Any] | str | PathLike | None = None,
        gate_loss: nn.Module | dict[str, Any] | list | None = None,
        layout: Literal['packed', 'masked'] = 'packed',
        train_layout: Literal['packed', 'masked'] | None = None,
        out_type: Literal['featmap', 'avg_featmap'] = 'featmap',
        out_indices: Sequence[int] = (0, 1, 2, 3),
        norm_outputs: bool = False,
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        pretrained: bool | str | PathLike | None = None,
        init_cfg: dict[str, Any] | list | None = None,
    ):
        super().__init__()
        check_sides('img_size', img_size)
        check_count('coarse_patch_size', coarse_patch_size, least=1)
        check_flag('norm_outputs', norm_outputs)
        check_flag('with_cp', with_cp)
        check_pretrained(pretrained)
        check_init_cfg(init_cfg)
        swin = build_timm_swin(arch, img_size)
        self.layers, self.norm = swin.layers, swin.norm
        stages = len(self.layers)
        self.layout, self.train_layout = layout, layout if train_layout is None else train_layout
        self.out_type = out_type
        self.patch_embed = cast(PatchEmbed, swin.patch_embed)
        self.patch_size, self.coarse_patch_size = int(self.patch_embed.patch_size[0]), coarse_patch_size
        self.frozen_stages, self.with_cp = frozen_stages, with_cp
        self.arch, self.init_cfg = arch if isinstance(arch, str) else '', init_cfg
        self._check_options(stages, out_indices)
        self.entry_stage = self._find_entry(stages, entry_stage)
        self.out_indices = (stages - 1,) if out_type == 'avg_featmap' else tuple(sorted(i % stages for i in out_indices))

        rates = iter(drop_path_rates(drop_path_rate, sum(len(layer.blocks) for layer in self._stages)))
        self.drop_path_rates = [[next(rates) for _ in layer.blocks] for layer in self._stages]
        widths = self.num_features = [info['num_chs'] for info in swin.feature_info]
        self._add_new_layers(widths, norm_outputs)
        self._add_gate(gate, gate_loss)
        adopt_linears(self)
        if pretrained:
            self.load_pretrained(pretrained)
        self._freeze()

    def forward(self, images: Tensor, fine_mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute features of images.

        Args:
            images: (B, 3, H, W), normalised as the Swin's weights want.
            fine_mask: (B, Hc, Wc) bool, overrules the gate.

        Returns:
            A tuple, see the table of ``out_type``.

        Raises:
            ValueError: the images are not (B, 3, H, W), or the mask does not fit them.
        """
        grid = self.grid(images)
        decision = self.decide(images, fine_mask)
        self._keep_or_record(decision, Decided(grid, grid.active(decision.fine_mask).sum(dim=1), decision.fine_mask))
        layout = self.train_layout if self.training else self.layout
        stages = Stages(
            grid, len(self.layers), self._entry, decision.fine_mask, decision.straight_through(), layout == 'masked'
        )
        regions = stages.ordered(patchify(pad_to_multiple(images, self.coarse_patch_size), self.coarse_patch_size))
        # on no rows too: distributed training wants a gradient for every parameter
        coarse = self.coarse_embed(regions if stages.masked else regions.index_select(0, stages.coarse))
        x = embed_patches(stages.fine_pixels(regions, self.patch_size), self.patch_embed.proj)
        x, outputs = self.patch_embed.norm(x), []
        for i, layer in enumerate(self._stages[: max(self.out_indices) + 1]):
            if i > 0:
                merged = stages.fine_rows[i] if i <= self._entry else stages.rows[i]
                x = merge_patches(layer.downsample, x, stages.rows[i - 1], merged)
            if i == self._entry:
                x = stages.join(i, x, coarse)
            for j, block in enumerate(layer.blocks):
                args = (
                    block,
                    x,
                    stages.rows[i],
                    windows_of(block, stages.rows[i], shifts=j % 2 == 1),
                    self.drop_path_rates[i][j],
                )
                if self.with_cp and torch.is_grad_enabled():
                    x = checkpoint(run_block, *args, use_reentrant=False)
                else:
                    x = run_block(*args)
            if i in self.out_indices:
                outputs.append(self._output(i, x, coarse, stages))
        return tuple(outputs)

    def load_pretrained(self, source: bool | str | PathLike) -> None:
        load_swin(self, source, arch=self.arch, keep=self._kept_groups)

    def macs(self, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
        """As `GatedBackbone.macs`, in the packed layout; the coarse embedding counts as embedding, what fills early outputs as
        blocks.

        Raises:
            ValueError: no ``fine_mask``.
        """
        if fine_mask is None:
            raise ValueError('the MACs of MSSwin depend on where the fine regions lie: give fine_mask, (B, Hc, Wc)')
        stages = Stages(grid, len(self.layers), self._entry, fine_mask)
        coarse = (~fine_mask).flatten(1).sum(dim=1).double()
        embedding = coarse * self.coarse_embed.weight.numel()
        embedding += stages.rows[0].counts.double() * self.patch_embed.proj.weight.numel()
        blocks = coarse * linear_macs(self.fills)
        for i, layer in enumerate(self._stages[: max(self.out_indices) + 1]):
            rows = stages.rows[i]
            if i > 0:
                merged = stages.fine_rows[i] if i <= stages.entry else rows
                blocks += merged.counts.double() * layer.downsample.reduction.weight.numel()
            for j, block in enumerate(layer.blocks):
                blocks += rows.counts.double() * linear_macs(block)
                windows = WindowGrid(rows.cells, block.window_size, shift_of(block, rows.cells, j % 2 == 1))
                blocks += rows.count_windows(windows) * windows.area**2 * 2 * block.attn.proj.in_features
        return Macs(self._gate_macs(grid, counts), embedding, blocks)

    @property
    def _stages(self) -> Sequence[SwinStage]:
        """timm's stages, by what they hold."""
        return cast('Sequence[SwinStage]', self.layers)

    @property
    def _entry(self) -> int:
        """The entry stage, counted from 0."""
        return self.entry_stage - 1

    def _output(self, i: int, x: Tensor, coarse: Tensor, stages: Stages) -> Tensor:
        """Make what is returned of stage i, whose blocks left x."""
        if i == len(self.layers) - 1:
            x = self.norm(x)
        elif str(i) in self.out_norms:
            x = self.out_norms[str(i)](x)
        if i < self._entry:  # behind the norm, which would blow up the first steps of a fill that is 0
            x = stages.join(i, x, self.fills[str(i)](coarse))
        if self.out_type == 'avg_featmap':
            return x.unflatten(0, (stages.batch, -1)).mean(dim=1)
        return stages.to_map(i, x)

    def _add_new_layers(self, widths: Sequence[int], norm_outputs: bool) -> None:
        """Build what Swin lacks."""
        pixels = self.patch_embed.proj.in_channels * self.coarse_patch_size**2
        self.coarse_embed = nn.Linear(pixels, widths[self._entry])
        nn.init.trunc_normal_(self.coarse_embed.weight, std=0.02)
        nn.init.zeros_(self.coarse_embed.bias)
        self.fills, self.out_norms = nn.ModuleDict(), nn.ModuleDict()
        for i in self.out_indices:
            if i < self._entry:
                fill = self.fills[str(i)] = nn.Linear(widths[self._entry], widths[i])
                nn.init.zeros_(fill.weight)
                nn.init.zeros_(fill.bias)
            if norm_outputs and i < len(self.layers) - 1:
                self.out_norms[str(i)] = type(self.norm)(widths[i])

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        norms = [norm for i, norm in self.out_norms.items() if int(i) < self.frozen_stages]
        if self.frozen_stages == len(self.layers):
            norms.append(self.norm)
        return [self.patch_embed, *self.layers[: self.frozen_stages], *norms]

    def _freeze(self) -> None:
        for module in self._frozen_modules():
            module.requires_grad_(False)

    def _find_entry(self, stages: int, entry_stage: int | None) -> int:
        """The entry stage, counted from 1, and a check that it fits the regions."""
        scales = [self.patch_size * 2**i for i in range(stages)]
        sizes = ', '.join(map(str, scales[1:]))
        if entry_stage is not None and (not is_count(entry_stage, 2) or entry_stage > stages):
            raise ValueError(
                f'entry_stage must lie in [2, {stages}], got {entry_stage!r}: coarse regions are coarser than the first stage'
            )
        if self.coarse_patch_size not in scales[1:]:
            raise ValueError(
                f'coarse_patch_size {self.coarse_patch_size} is the scale of no stage at which coarse regions could enter: '
                f'choose one of {sizes}'
            )
        found = scales.index(self.coarse_patch_size) + 1
        if entry_stage not in (None, found):
            raise ValueError(
                f'stage {entry_stage} works at a scale of {scales[entry_stage - 1]} pixels, regions have coarse_patch_size='
                f'{self.coarse_patch_size}: give entry_stage={found} (or leave it out), or coarse_patch_size='
                f'{scales[entry_stage - 1]}'
            )
        return found

    def _check_options(self, stages: int, out_indices: Sequence[int]) -> None:
        for name in ('layout', 'train_layout'):
            layout = getattr(self, name)
            if layout == 'trimmed':
                raise ValueError(
                    f"{name}: layout 'trimmed' cuts to the longest sequence of a batch, which windows do not have: choose "
                    "'packed' or 'masked'"
                )
            if layout not in ('packed', 'masked'):
                raise ValueError(f"{name}: unknown layout {layout!r}: choose 'packed' or 'masked'")
        if self.out_type not in ('featmap', 'avg_featmap'):
            raise ValueError(f"unknown out_type {self.out_type!r}: choose 'featmap' or 'avg_featmap'")
        if self.out_type == 'featmap' and not is_indices(out_indices, stages):
            raise ValueError(f'out_indices {out_indices!r} must name some of the {stages} stages, counted from 0')
        if not is_count(self.frozen_stages, -1) or self.frozen_stages > stages:
            raise ValueError(f'frozen_stages must lie in [-1, {stages}], got {self.frozen_stages!r}')
