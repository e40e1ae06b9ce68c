"""Which candidate tokens are present, and where each lies in memory: the three layouts of a ragged batch.

============  =====================  ==========================================================================
layout        tokens in memory       meaning
============  =====================  ==========================================================================
``masked``    (B, P + Nc + Nf, C)    every candidate of both scales, absent ones masked in attention (eq. 15)
``trimmed``   (B, P + Lmax, C)       present tokens first, cut to the longest of the batch (adaptive trimming)
``packed``    (1, sum(P + L_b), C)   present tokens only, one row, image after image
============  =====================  ==========================================================================

P prefix tokens (class, register, distillation) lead every image.
"""

from abc import ABC, abstractmethod
from copy import copy
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import TokenGrid

Layout = Literal['masked', 'trimmed', 'packed']


class Segments(NamedTuple):
    """The images of a packed row.

    Args:
        lengths: tokens of each image, prefix included.
        offsets: (B + 1,) int32, where each image begins, and the end; on the tokens' device.
    """

    lengths: list[int]
    offsets: Tensor


class TokenIndex(ABC):
    """Base of the three layouts.

    Args:
        grid: the candidates.
        fine_mask: (B, Hc, Wc) bool, True = the region is fine.
        gate: (B, Hc, Wc) float, the value of ``fine_mask`` with the gate's straight-through gradient; None when nothing
            trains it.
        num_prefix: P, the prefix tokens of each image.
        replicated: coarse tokens count in attention as if they were already copied to all their cells.
    """

    layout: Layout

    def __init__(
        self,
        grid: TokenGrid,
        fine_mask: Tensor,
        gate: Tensor | None = None,
        num_prefix: int = 0,
        replicated: bool = False,
    ):
        self.grid = grid
        self.fine_mask = fine_mask
        self.gate = gate
        self.num_prefix = num_prefix
        self.active = grid.active(fine_mask)
        self.counts = self.active.sum(dim=1)
        self._arrange()
        self._place_prefix()
        self.key_weight = self._key_weight(replicated)
        """How often each token counts as an attention key, (B, P + L) or (1, sum(P + L_b)): 0 for absent tokens, 1 for prefix
        tokens, with the gate's gradient; None if every weight is the constant 1."""

    @property
    def batch_size(self) -> int:
        return self.fine_mask.shape[0]

    @property
    def segments(self) -> Segments | None:
        """The images of a packed row; None where images lie in a batch dimension."""
        return None

    def behind(self, num_prefix: int) -> 'TokenIndex':
        """The same tokens behind other prefix tokens, for a decoder that sees them as if replicated."""
        index = copy(self)  # shares the arrangement: finding it anew would wait for the GPU once more
        index.num_prefix = num_prefix
        index._place_prefix()
        index.key_weight = index._key_weight(replicated=True)
        return index

    @property
    def is_plain(self) -> bool:
        """Whether plain attention over the batch dimension serves: one image in each, every key counts once."""
        return self.key_weight is None and (self.segments is None or self.batch_size == 1)

    @property
    @abstractmethod
    def _has_absent(self) -> bool:
        """Whether tokens that are absent may lie in memory."""

    @property
    def present(self) -> list[int] | None:
        """Tokens of each image that are present, prefix included, where these lead the image's; None where they do not."""
        return None

    @abstractmethod
    def _arrange(self) -> None:
        """Find where each token lies in memory, prefix tokens aside."""

    @abstractmethod
    def _place_prefix(self) -> None:
        """Find where the prefix tokens lie."""

    @abstractmethod
    def select(self, candidates: Tensor) -> Tensor:
        """Candidates (B, Nc + Nf, ...) -> tokens in this layout, without prefix: (B, L, ...) or (1, sum L_b, ...)."""

    @abstractmethod
    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        """Prefix tokens (P, C), the same for every image, and ``select``-ed tokens -> the sequence in this layout."""

    @abstractmethod
    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `assemble`: prefix tokens (B, P, C), and tokens as `select` gives them."""

    @abstractmethod
    def cell_tokens(self, tokens: Tensor) -> Tensor:
        """Tokens without prefix -> the token of every fine cell, (B, Nf, C): coarse tokens are replicated (section E.1)."""

    @abstractmethod
    def select_shared(self, table: Tensor) -> Tensor:
        """A table (Nc + Nf, C) shared by all images, such as position embeddings -> its rows in this layout."""

    def _key_weight(self, replicated: bool) -> Tensor | None:
        if self.gate is None and not replicated and not self._has_absent:
            return None
        weight = self.active.float() if self.gate is None else self.grid.active(self.gate)
        if replicated:
            weight = weight * self.grid.cells_per_token(weight.device)
        weight = self.select(weight.unsqueeze(-1))
        return self.assemble(weight.new_ones(self.num_prefix, 1), weight).squeeze(-1)

    def _cell_candidates(self) -> Tensor:
        """The candidate that covers each fine cell, (B, Nf)."""
        region = self.grid.region_of_cell(self.fine_mask.device)
        fine = torch.arange(self.grid.num_fine, device=region.device) + self.grid.num_coarse
        return torch.where(self.fine_mask.flatten(1)[:, region], fine, region)


class MaskedIndex(TokenIndex):
    """Every candidate in place; absent ones are masked."""

    layout = 'masked'

    def _arrange(self) -> None:
        pass  # candidates stay where they are

    def _place_prefix(self) -> None:
        pass  # in front of the candidates

    def select(self, candidates: Tensor) -> Tensor:
        return candidates

    def select_shared(self, table: Tensor) -> Tensor:
        return table.expand(self.batch_size, -1, -1)

    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        return torch.cat((prefix.expand(self.batch_size, -1, -1), tokens), dim=1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, : self.num_prefix], x[:, self.num_prefix :]

    def cell_tokens(self, tokens: Tensor) -> Tensor:
        if self.gate is None:
            return _gather_rows(tokens, self._cell_candidates())
        # Both scales are here: the choice between them tells the gate, straight through, which one served the cell better.
        coarse, fine = tokens.split((self.grid.num_coarse, self.grid.num_fine), dim=1)
        region = self.grid.region_of_cell(tokens.device)
        is_fine = self.gate.flatten(1)[:, region].unsqueeze(-1).to(tokens.dtype)
        return is_fine * fine + (1 - is_fine) * coarse[:, region]

    @property
    def _has_absent(self) -> bool:
        return True


class TrimmedIndex(MaskedIndex):
    """Present tokens first, cut to the batch's longest sequence: adaptive trimming (sections 2.3 and F.2)."""

    layout = 'trimmed'

    def _arrange(self) -> None:
        self._counts = self.counts.tolist()  # the one wait for the GPU
        # stable: tokens keep the order of the candidates, coarse before fine
        order = torch.sort(self.active, dim=1, descending=True, stable=True).indices
        self._kept = order[:, : max(self._counts)]
        self._position = torch.argsort(order, dim=1)

    def select(self, candidates: Tensor) -> Tensor:
        return _gather_rows(candidates, self._kept)

    def select_shared(self, table: Tensor) -> Tensor:
        return table.index_select(0, self._kept.flatten()).unflatten(0, self._kept.shape)

    def cell_tokens(self, tokens: Tensor) -> Tensor:
        return _gather_rows(tokens, self._position.gather(1, self._cell_candidates()))

    @property
    def _has_absent(self) -> bool:
        return len(set(self._counts)) > 1

    @property
    def present(self) -> list[int]:
        return [self.num_prefix + count for count in self._counts]


class PackedIndex(TokenIndex):
    """Present tokens only, image after image in one row: no padding at all."""

    layout = 'packed'

    def _arrange(self) -> None:
        self._counts = self.counts.tolist()  # the one wait for the GPU
        total, device = sum(self._counts), self.fine_mask.device
        active = self.active.flatten()
        position = active.cumsum(0) - 1
        self._position = position.reshape(self.active.shape)  # of each candidate in the row, if it is present
        candidates = torch.arange(len(active), device=device)
        rows = candidates.new_empty(total + 1).index_copy(0, position.where(active, total), candidates)
        self._rows = rows[:total]  # the candidate of each token

    def _place_prefix(self) -> None:
        lengths = [count + self.num_prefix for count in self._counts]
        offsets = F.pad((self.counts + self.num_prefix).cumsum(0), (1, 0)).int()
        self._segments = Segments(lengths, offsets)
        if self.batch_size == 1:
            return
        images = torch.arange(self.batch_size, device=self.fine_mask.device)
        image = images.repeat_interleave(self.counts, output_size=sum(self._counts))
        self._token_rows = torch.arange(len(image), device=image.device) + (image + 1) * self.num_prefix
        self._prefix_rows = offsets[:-1, None] + torch.arange(self.num_prefix, device=image.device)

    @property
    def segments(self) -> Segments:
        return self._segments

    @property
    def present(self) -> list[int]:
        return self._segments.lengths

    def select(self, candidates: Tensor) -> Tensor:
        return candidates.flatten(0, 1).index_select(0, self._rows).unsqueeze(0)

    def select_shared(self, table: Tensor) -> Tensor:
        return table.index_select(0, self._rows % len(table)).unsqueeze(0)

    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        if self.num_prefix == 0:
            return tokens
        prefix = prefix.to(tokens.dtype)
        if self.batch_size == 1:
            return torch.cat((prefix.unsqueeze(0), tokens), dim=1)
        row = tokens.new_empty(sum(self._segments.lengths), tokens.shape[-1]).index_copy(0, self._token_rows, tokens[0])
        return row.index_copy(0, self._prefix_rows.flatten(), prefix.repeat(self.batch_size, 1)).unsqueeze(0)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.batch_size == 1:
            return x[:, : self.num_prefix], x[:, self.num_prefix :]
        prefix = x[0].index_select(0, self._prefix_rows.flatten())
        return prefix.unflatten(0, self._prefix_rows.shape), x.index_select(1, self._token_rows)

    def cell_tokens(self, tokens: Tensor) -> Tensor:
        position = self._position.gather(1, self._cell_candidates())
        return tokens[0].index_select(0, position.flatten()).unflatten(0, position.shape)

    @property
    def _has_absent(self) -> bool:
        return False


INDEX_TYPES: dict[str, type[TokenIndex]] = {index.layout: index for index in (MaskedIndex, TrimmedIndex, PackedIndex)}


def build_index(
    layout: Layout, grid: TokenGrid, fine_mask: Tensor, gate: Tensor | None = None, num_prefix: int = 0
) -> TokenIndex:
    """Index a batch in the named layout; arguments as in `TokenIndex`.

    Raises:
        ValueError: the layout's name is unknown, or ``fine_mask`` has another shape than the grid's regions.
    """
    if layout not in INDEX_TYPES:
        raise ValueError(f'unknown layout {layout!r}: choose one of {", ".join(map(repr, INDEX_TYPES))}')
    if fine_mask.dim() != 3 or tuple(fine_mask.shape[1:]) != grid.region_shape:
        raise ValueError(
            f'fine_mask has shape {tuple(fine_mask.shape)}, but a {grid.height}x{grid.width} image in regions of '
            f'{grid.coarse_patch_size} pixels needs (batch, {grid.region_shape[0]}, {grid.region_shape[1]})'
        )
    return INDEX_TYPES[layout](grid, fine_mask, gate, num_prefix)


def _gather_rows(x: Tensor, index: Tensor) -> Tensor:
    """x (B, N, C), index (B, L) -> (B, L, C)."""
    rows = index + torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    return x.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, index.shape)
