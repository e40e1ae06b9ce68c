"""Which candidate tokens are present, what each counts, and where it lies in memory."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from ..exporting import is_exporting
from .grid import TokenGrid
from .layouts import LAYOUTS, Layout, MemoryLayout, Segments, TrimmedLayout


@dataclass(frozen=True, eq=False)
class TokenIndex:
    """The tokens of a batch. It never changes: `behind`, `pruned` and `weighted` give others.

    Args:
        grid: the candidates.
        fine_mask: (B, Hc, Wc) bool, True = the region is fine.
        gate: (B, Hc, Wc) float, the value of ``fine_mask`` with the gate's straight-through gradient; None when nothing
            trains it.
        active: (B, Nc + Nf) bool, the candidates that are tokens.
        weight: (B, Nc + Nf), how often each token counts as an attention key; None: once.
        memory: where the tokens lie.
        replicated: coarse tokens count in attention as if they were already copied to all their cells.
        covers_map: every cell of the image has a token.
        all_count: no token has the weight 0.
    """

    grid: TokenGrid
    fine_mask: Tensor
    gate: Tensor | None
    active: Tensor
    weight: Tensor | None
    memory: MemoryLayout
    replicated: bool = False
    covers_map: bool = True
    all_count: bool = True
    key_weight: Tensor | None = field(init=False)
    """How often each token in memory counts as an attention key, (B, P + L) or (1, sum(P + L_b)): 0 for absent tokens, 1 for
    prefix tokens, with the gate's gradient; None if every weight is the constant 1."""

    def __post_init__(self) -> None:
        # found once, here: found within a block that the backward pass runs again, it would not be found again
        object.__setattr__(self, 'key_weight', self._key_weight())

    @property
    def batch_size(self) -> int:
        return self.fine_mask.shape[0]

    @property
    def num_prefix(self) -> int:
        """Prefix tokens of each image."""
        return self.memory.num_prefix

    @cached_property
    def counts(self) -> Tensor:
        """(B,) tokens of each image, without prefix tokens."""
        return self.active.sum(dim=1)

    @property
    def host_counts(self) -> list[int] | None:
        """`counts` where the host knows them: in the trimmed and the packed layout, but not while exporting."""
        return None if is_exporting() else self.memory.counts

    @property
    def segments(self) -> Segments | None:
        """The images of a packed row; None where images lie in a batch dimension."""
        return self.memory.segments

    @property
    def lengths(self) -> list[int] | None:
        """Tokens of each image, prefix included, where these lead the image's and each counts as a key; None where that is not
        known."""
        if self.memory.counts is None or not self.all_count:
            return None
        return [count + self.num_prefix for count in self.memory.counts]

    @property
    def is_plain(self) -> bool:
        """Whether plain attention over the batch dimension serves: one image in each, every key counts once."""
        return self.key_weight is None and (self.segments is None or self.batch_size == 1)

    @property
    def is_uniform(self) -> bool:
        """Whether the images of a packed row are as long as each other and every key counts once, as under a gate's budget: a
        batch as it is."""
        if self.key_weight is not None or self.segments is None:
            return False
        return self.batch_size > 1 and len(set(self.segments.lengths)) == 1

    def behind(self, num_prefix: int) -> 'TokenIndex':
        """Put the same tokens behind other prefix tokens, for a decoder that sees them as if replicated."""
        return replace(self, memory=self.memory.behind(num_prefix), replicated=True)

    def pruned(self, kept: Tensor, fused: Tensor | None = None, counts: list[int] | None = None) -> 'TokenIndex':
        """Leave out some tokens; in the trimmed and the packed layout these leave memory.

        Args:
            kept: (B, Nc + Nf) bool, the candidates that stay, among those present or ``fused``.
            fused: (B, Nc + Nf) bool, places among ``kept`` that new tokens take, of weight 1.
            counts: how many candidates of each image stay, if that is known without asking the GPU.

        Returns:
            The same layout. What is left keeps its weight and, straight through it, the gate's gradient.
        """
        weight = None if self.weight is None else self.weight.where(kept, 0)
        if weight is not None and fused is not None:
            weight = weight.masked_fill(fused, 1)
        memory = self.memory.of(kept, self.num_prefix, counts)
        return replace(self, active=kept, weight=weight, memory=memory, covers_map=False)

    def weighted(self, factor: Tensor) -> 'TokenIndex':
        """Let the same tokens in the same places count ``factor`` times as often as attention keys.

        Args:
            factor: (B, Nc + Nf), not negative, such as a pruning policy of zeros and ones with a straight-through gradient.
        """
        weight = self.active.to(factor.dtype) if self.weight is None else self.weight
        return replace(self, weight=weight * factor, all_count=False)

    def candidate_weight(self) -> Tensor:
        """Tell the `key_weight` of every candidate, (B, Nc + Nf): 0 for those that do not lie in memory."""
        if self.key_weight is None:
            return self.active.float()
        return self.memory.scatter(self.memory.split(self.key_weight.unsqueeze(-1))[1]).squeeze(-1)

    def cell_tokens(self, tokens: Tensor) -> Tensor:
        """Give every fine cell its token, (B, Nf, C), from tokens without prefix: coarse ones are replicated (section E.1).

        Where both scales are in memory and a gate trains, the choice between them is differentiable, straight through: the
        gate is told which one served the cell better.

        Raises:
            ValueError: tokens were pruned.
        """
        if not self.covers_map:
            raise ValueError(
                'tokens were pruned, so cells of the image are left without one and there is no map: use the class token, '
                'or a backbone that keeps every token, such as MSViT'
            )
        region = self.grid.region_of_cell(self.fine_mask.device)
        if self.gate is not None and self.memory.name == 'masked':
            coarse, fine = tokens.split((self.grid.num_coarse, self.grid.num_fine), dim=1)
            is_fine = self.gate.flatten(1)[:, region].unsqueeze(-1).to(tokens.dtype)
            return is_fine * fine + (1 - is_fine) * coarse[:, region]
        fine = torch.arange(self.grid.num_fine, device=region.device) + self.grid.num_coarse
        return self.memory.take(tokens, torch.where(self.fine_mask.flatten(1)[:, region], fine, region))

    def _key_weight(self) -> Tensor | None:
        if self.weight is None and not self.replicated and not self.memory.holds_absent:
            return None
        weight = self.active.float() if self.weight is None else self.weight
        if self.replicated:
            weight = weight * self.grid.cells_per_token(weight.device)
        weight = self.memory.select(weight.unsqueeze(-1))
        return self.memory.assemble(weight.new_ones(self.num_prefix, 1), weight).squeeze(-1)


def build_index(
    layout: Layout, grid: TokenGrid, fine_mask: Tensor, gate: Tensor | None = None, num_prefix: int = 0
) -> TokenIndex:
    """Index a batch in the named layout.

    Args:
        layout: ``'masked'``, ``'trimmed'`` or ``'packed'``.
        grid: the candidates.
        fine_mask: (B, Hc, Wc) bool, True = the region is fine.
        gate: see `TokenIndex`.
        num_prefix: P, the prefix tokens of each image.

    Raises:
        ValueError: the layout's name is unknown, or ``fine_mask`` has another shape than the grid's regions.
    """
    if layout not in LAYOUTS:
        raise ValueError(f'unknown layout {layout!r}: choose one of {", ".join(map(repr, LAYOUTS))}')
    if fine_mask.dim() != 3 or tuple(fine_mask.shape[1:]) != grid.region_shape:
        raise ValueError(
            f'fine_mask has shape {tuple(fine_mask.shape)}, but a {grid.height}x{grid.width} image in regions of '
            f'{grid.coarse_patch_size} pixels needs (batch, {grid.region_shape[0]}, {grid.region_shape[1]})'
        )
    if layout == 'packed' and is_exporting() and fine_mask.shape[0] != 1:
        layout = 'trimmed'  # an exported program cannot loop over images of symbolic lengths
    active = grid.active(fine_mask)
    weight = None if gate is None else grid.active(gate)  # 1 where present, with the gate's gradient
    return TokenIndex(grid, fine_mask, gate, active, weight, LAYOUTS[layout].of(active, num_prefix))


def trimmed_index(
    grid: TokenGrid,
    num_prefix: int,
    counts: list[int] | None,
    fine_mask: Tensor,
    active: Tensor,
    kept: Tensor,
    position: Tensor,
) -> TokenIndex:
    """Index a batch in the trimmed layout at a length of one's own, from what is known of its tokens.

    Args:
        grid: the candidates.
        num_prefix: P, the prefix tokens of each image.
        counts: tokens of each image, where the host knows them.
        fine_mask: (B, Hc, Wc) bool, True = the region is fine.
        active: (B, N) bool, the candidates that are tokens.
        kept: (B, L), the candidate at each place in memory, and
        position: (B, N), the place of each candidate: see `presence_order`.
    """
    batch_size, num_candidates = active.shape
    memory = TrimmedLayout(batch_size, num_candidates, num_prefix, counts, kept, position)
    return TokenIndex(grid, fine_mask, None, active, None, memory)
