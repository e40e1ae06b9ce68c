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

from ..exporting import is_exporting
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
        # of every candidate, present or not, (B, Nc + Nf); None: 1 where present
        self._weight = None if gate is None else grid.active(gate)
        self._covers_map, self._weighted = True, False
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

    def pruned(self, kept: Tensor, fused: Tensor | None = None, counts: list[int] | None = None) -> 'TokenIndex':
        """The index without some tokens; in the trimmed and the packed layout these leave memory.

        Args:
            kept: (B, Nc + Nf) bool, the candidates that stay, among those present or ``fused``.
            fused: (B, Nc + Nf) bool, places among ``kept`` that new tokens take, of weight 1.
            counts: how many candidates of each image stay, if that is known without asking the GPU.

        Returns:
            The same layout. What is left keeps its weight and, straight through it, the gate's gradient.
        """
        index = copy(self)
        index.active, index.counts, index._covers_map = kept, kept.sum(dim=1), False
        if self._weight is not None:
            index._weight = self._weight.where(kept, 0)
            if fused is not None:
                index._weight = index._weight.masked_fill(fused, 1)
        index._arrange(counts)
        index._place_prefix()
        index.key_weight = index._key_weight()
        return index

    def weighted(self, factor: Tensor) -> 'TokenIndex':
        """The same tokens in the same places, which count ``factor`` times as often as attention keys.

        Args:
            factor: (B, Nc + Nf), not negative, such as a pruning policy of zeros and ones with a straight-through gradient.
        """
        index = copy(self)
        weight = self.active.to(factor.dtype) if self._weight is None else self._weight
        index._weight, index._weighted = weight * factor, True
        index.key_weight = index._key_weight()
        return index

    def candidate_weight(self) -> Tensor:
        """`key_weight` of every candidate, (B, Nc + Nf): 0 for those that do not lie in memory."""
        if self.key_weight is None:
            return self.active.float()
        return self.spread(self.split(self.key_weight.unsqueeze(-1))[1]).squeeze(-1)

    @property
    def is_plain(self) -> bool:
        """Whether plain attention over the batch dimension serves: one image in each, every key counts once."""
        return self.key_weight is None and (self.segments is None or self.batch_size == 1)

    @property
    def host_counts(self) -> list[int] | None:
        """`counts` where the host knows them: in the trimmed and the packed layout, but not while exporting."""
        return None if self._present is None or is_exporting() else [length - self.num_prefix for length in self._present]

    @property
    @abstractmethod
    def _has_absent(self) -> bool:
        """Whether tokens that are absent may lie in memory."""

    @property
    def present(self) -> list[int] | None:
        """Tokens of each image that are present, prefix included, where these lead the image's and none has the weight 0; None
        where that is not so."""
        return None if self._weighted else self._present

    @property
    def _present(self) -> list[int] | None:
        return None

    @abstractmethod
    def _arrange(self, counts: list[int] | None = None) -> None:
        """Find where each token lies in memory, prefix tokens aside; ``counts`` are `counts` where the host knows them."""

    @abstractmethod
    def _place_prefix(self) -> None:
        """Find where the prefix tokens lie."""

    @abstractmethod
    def select(self, candidates: Tensor) -> Tensor:
        """Candidates (B, Nc + Nf, ...) -> tokens in this layout, without prefix: (B, L, ...) or (1, sum L_b, ...)."""

    @abstractmethod
    def spread(self, tokens: Tensor) -> Tensor:
        """The inverse of `select`: candidates (B, Nc + Nf, C), 0 where there is no token in memory."""

    @abstractmethod
    def repeat(self, images: Tensor) -> Tensor:
        """What belongs to images (B, C) -> to each of their tokens without prefix: (B, L, C) or (1, sum L_b, C)."""

    @abstractmethod
    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        """Prefix tokens, (B, P, C), or (P, C) the same for all images, and ``select``-ed tokens -> the sequence."""

    @abstractmethod
    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `assemble`: prefix tokens (B, P, C), and tokens as `select` gives them."""

    def cell_tokens(self, tokens: Tensor) -> Tensor:
        """Tokens without prefix -> the token of every fine cell, (B, Nf, C): coarse tokens are replicated (section E.1).

        Raises:
            ValueError: tokens were pruned.
        """
        if not self._covers_map:
            raise ValueError(
                'tokens were pruned, so cells of the image are left without one and there is no map: use the class token, '
                'or a backbone that keeps every token, such as MSViT'
            )
        return self._cell_tokens(tokens)

    @abstractmethod
    def _cell_tokens(self, tokens: Tensor) -> Tensor:
        """`cell_tokens`, where every cell has a token."""

    @abstractmethod
    def select_shared(self, table: Tensor) -> Tensor:
        """A table (Nc + Nf, C) shared by all images, such as position embeddings -> its rows in this layout."""

    def _key_weight(self, replicated: bool = False) -> Tensor | None:
        if self._weight is None and not replicated and not self._has_absent:
            return None
        weight = self.active.float() if self._weight is None else self._weight
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

    def _arrange(self, counts: list[int] | None = None) -> None:
        pass  # candidates stay where they are

    def _place_prefix(self) -> None:
        pass  # in front of the candidates

    def select(self, candidates: Tensor) -> Tensor:
        return candidates

    def spread(self, tokens: Tensor) -> Tensor:
        return tokens

    def repeat(self, images: Tensor) -> Tensor:
        return images.unsqueeze(1).expand(-1, self.active.shape[1], -1)

    def select_shared(self, table: Tensor) -> Tensor:
        return table.expand(self.batch_size, -1, -1)

    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        return torch.cat((prefix.expand(self.batch_size, -1, -1), tokens), dim=1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, : self.num_prefix], x[:, self.num_prefix :]

    def _cell_tokens(self, tokens: Tensor) -> Tensor:
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

    def _arrange(self, counts: list[int] | None = None) -> None:
        # tokens keep the order of the candidates, coarse before fine, and so do those that are absent, behind them
        absent = self.counts[:, None] + (~self.active).cumsum(dim=1)
        self._position = self.active.cumsum(dim=1).where(self.active, absent) - 1
        candidates = torch.arange(self.active.shape[1], device=self.active.device).expand_as(self._position)
        order = torch.empty_like(self._position).scatter(1, self._position, candidates)
        if is_exporting():  # what is longest is a symbol; nobody knows each image's length
            self._counts, longest = None, self.counts.max().item()
            torch._check(longest > 0)
            torch._check(longest <= order.shape[1])
        else:
            self._counts = self.counts.tolist() if counts is None else counts  # the one wait for the GPU
            longest = max(self._counts)
        self._kept = order[:, :longest]

    def select(self, candidates: Tensor) -> Tensor:
        return _gather_rows(candidates, self._kept)

    def spread(self, tokens: Tensor) -> Tensor:
        return _scatter_rows(tokens.flatten(0, 1), _rows_of(self._kept, self.active.shape[1]), self.active.shape)

    def repeat(self, images: Tensor) -> Tensor:
        return images.unsqueeze(1).expand(-1, self._kept.shape[1], -1)

    def select_shared(self, table: Tensor) -> Tensor:
        return table.index_select(0, self._kept.flatten()).unflatten(0, self._kept.shape)

    def _cell_tokens(self, tokens: Tensor) -> Tensor:
        return _gather_rows(tokens, self._position.gather(1, self._cell_candidates()))

    @property
    def _has_absent(self) -> bool:
        return self._counts is None or len(set(self._counts)) > 1

    @property
    def _present(self) -> list[int] | None:
        return None if self._counts is None else [self.num_prefix + count for count in self._counts]


class PackedIndex(TokenIndex):
    """Present tokens only, image after image in one row: no padding at all."""

    layout = 'packed'

    def _arrange(self, counts: list[int] | None = None) -> None:
        active, device = self.active.flatten(), self.fine_mask.device
        position = active.cumsum(0) - 1
        self._position = position.reshape(self.active.shape)  # of each candidate in the row, if it is present
        if is_exporting():  # one image, whose number of tokens is a symbol
            self._rows = active.nonzero().squeeze(1)
            torch._check(self._rows.shape[0] > 0)
            self._counts = [self._rows.shape[0]]
            return
        self._counts = self.counts.tolist() if counts is None else counts  # the one wait for the GPU
        total = sum(self._counts)
        candidates = torch.arange(active.shape[0], device=device)
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
    def _present(self) -> list[int]:
        return self._segments.lengths

    def select(self, candidates: Tensor) -> Tensor:
        return candidates.flatten(0, 1).index_select(0, self._rows).unsqueeze(0)

    def spread(self, tokens: Tensor) -> Tensor:
        return _scatter_rows(tokens[0], self._rows, self.active.shape)

    def repeat(self, images: Tensor) -> Tensor:
        return images.index_select(0, self._rows // self.active.shape[1]).unsqueeze(0)

    def select_shared(self, table: Tensor) -> Tensor:
        rows = self._rows if self.batch_size == 1 else self._rows % table.shape[0]
        return table.index_select(0, rows).unsqueeze(0)

    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        if self.num_prefix == 0:
            return tokens
        prefix = prefix.to(tokens.dtype).expand(self.batch_size, -1, -1)
        if self.batch_size == 1:
            return torch.cat((prefix, tokens), dim=1)
        row = tokens.new_empty(sum(self._segments.lengths), tokens.shape[-1]).index_copy(0, self._token_rows, tokens[0])
        return row.index_copy(0, self._prefix_rows.flatten(), prefix.flatten(0, 1)).unsqueeze(0)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.batch_size == 1:
            return x[:, : self.num_prefix], x[:, self.num_prefix :]
        prefix = x[0].index_select(0, self._prefix_rows.flatten())
        return prefix.unflatten(0, self._prefix_rows.shape), x.index_select(1, self._token_rows)

    def _cell_tokens(self, tokens: Tensor) -> Tensor:
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
    if layout == 'packed' and is_exporting() and fine_mask.shape[0] != 1:
        layout = 'trimmed'  # an exported program cannot loop over images of symbolic lengths
    return INDEX_TYPES[layout](grid, fine_mask, gate, num_prefix)


def _gather_rows(x: Tensor, index: Tensor) -> Tensor:
    """x (B, N, C), index (B, L) -> (B, L, C)."""
    return x.flatten(0, 1).index_select(0, _rows_of(index, x.shape[1])).unflatten(0, index.shape)


def _scatter_rows(x: Tensor, rows: Tensor, shape: torch.Size) -> Tensor:
    """x (L, C), each at its row of (B * N, C), 0 elsewhere -> (B, N, C); ``shape`` is (B, N)."""
    return x.new_zeros(shape[0] * shape[1], x.shape[-1]).index_copy(0, rows, x).unflatten(0, shape)


def _rows_of(index: Tensor, length: int) -> Tensor:
    """Places (B, L) within images of so many rows each -> rows of all images (B * L,)."""
    return (index + torch.arange(index.shape[0], device=index.device)[:, None] * length).flatten()
