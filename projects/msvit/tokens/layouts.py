"""Where the tokens of a ragged batch lie in memory: three layouts of one meaning.

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
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exporting import is_exporting

Layout = Literal['masked', 'trimmed', 'packed']
Memory = TypeVar('Memory', bound='MemoryLayout')


class Segments(NamedTuple):
    """The images of a packed row.

    Args:
        lengths: tokens of each image, prefix included.
        offsets: (B + 1,) int32, where each image begins, and the end; on the tokens' device.
    """

    lengths: list[int]
    offsets: Tensor


@dataclass(frozen=True, eq=False)
class MemoryLayout(ABC):
    """Base of the layouts; images lie in the batch dimension.

    Args:
        batch_size: B.
        num_candidates: N = Nc + Nf, of each image.
        num_prefix: P, the prefix tokens of each image.
        counts: tokens of each image without prefix, where the host knows them; else None.
    """

    name: ClassVar[Layout]
    batch_size: int
    num_candidates: int
    num_prefix: int
    counts: list[int] | None

    @classmethod
    @abstractmethod
    def of(cls: type[Memory], active: Tensor, num_prefix: int, counts: list[int] | None = None) -> Memory:
        """Lay out the tokens of a batch.

        Args:
            active: (B, N) bool, the candidates that are tokens.
            num_prefix: P.
            counts: how many these are of each image, if that is known without asking the GPU.
        """

    @property
    def segments(self) -> Segments | None:
        """The images of a packed row; None where images lie in the batch dimension."""
        return None

    @property
    @abstractmethod
    def holds_absent(self) -> bool:
        """Whether candidates that are no tokens may lie in memory."""

    def behind(self: Memory, num_prefix: int) -> Memory:
        """Lay the same tokens behind another number of prefix tokens; nothing is looked for anew."""
        return replace(self, num_prefix=num_prefix)

    @abstractmethod
    def select(self, candidates: Tensor) -> Tensor:
        """Take the tokens from all candidates.

        Args:
            candidates: (B, N, C); or (N, C), the same for all images, such as position embeddings.

        Returns:
            (B, L, C) or (1, sum L_b, C), without prefix.
        """

    @abstractmethod
    def scatter(self, tokens: Tensor) -> Tensor:
        """Put `select`-ed tokens back: candidates (B, N, C), 0 where there is no token in memory."""

    @abstractmethod
    def take(self, tokens: Tensor, candidates: Tensor) -> Tensor:
        """Read the tokens (B, K, C) of given candidates (B, K): what `scatter` would hold there, in a quarter of its time."""

    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        """Make the sequence of prefix tokens, (B, P, C), or (P, C) the same for all images, and `select`-ed tokens."""
        return torch.cat((prefix.expand(self.batch_size, -1, -1), tokens), dim=1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Part a sequence into prefix tokens (B, P, C), and tokens as `select` gives them: the inverse of `assemble`."""
        return x[:, : self.num_prefix], x[:, self.num_prefix :]


@dataclass(frozen=True, eq=False)
class MaskedLayout(MemoryLayout):
    """Every candidate in place; absent ones are masked."""

    name = 'masked'

    @classmethod
    def of(cls, active: Tensor, num_prefix: int, counts: list[int] | None = None) -> 'MaskedLayout':
        batch_size, num_candidates = active.shape
        return cls(batch_size, num_candidates, num_prefix, None)

    @property
    def holds_absent(self) -> bool:
        return True

    def select(self, candidates: Tensor) -> Tensor:
        return candidates.expand(self.batch_size, -1, -1)

    def scatter(self, tokens: Tensor) -> Tensor:
        return tokens

    def take(self, tokens: Tensor, candidates: Tensor) -> Tensor:
        return _gather_rows(tokens, candidates)


@dataclass(frozen=True, eq=False)
class TrimmedLayout(MemoryLayout):
    """Present tokens first, cut to the batch's longest sequence: adaptive trimming (sections 2.3 and F.2).

    Args:
        kept: (B, L), the candidate at each place in memory.
        position: (B, N), the place of each candidate, beyond L if it is not in memory.
    """

    name = 'trimmed'
    kept: Tensor
    position: Tensor

    @classmethod
    def of(cls, active: Tensor, num_prefix: int, counts: list[int] | None = None) -> 'TrimmedLayout':
        sums, order, position = presence_order(active)
        if is_exporting():  # what is longest is a symbol; nobody knows each image's length
            longest = sums.max().item()
            torch._check(longest > 0)
            torch._check(longest <= order.shape[1])
        else:
            counts = sums.tolist() if counts is None else counts  # the one wait for the GPU
            longest = max(counts)
        batch_size, num_candidates = active.shape
        return cls(batch_size, num_candidates, num_prefix, counts, order[:, :longest], position)

    @property
    def holds_absent(self) -> bool:
        return self.counts is None or min(self.counts) < self.kept.shape[1]

    def select(self, candidates: Tensor) -> Tensor:
        if candidates.dim() == 2:
            return candidates.index_select(0, self.kept.flatten()).unflatten(0, self.kept.shape)
        return _gather_rows(candidates, self.kept)

    def scatter(self, tokens: Tensor) -> Tensor:
        return _scatter_rows(tokens, _rows_of(self.kept, self.num_candidates), self.batch_size, self.num_candidates)

    def take(self, tokens: Tensor, candidates: Tensor) -> Tensor:
        return _gather_rows(tokens, self.position.gather(1, candidates))


@dataclass(frozen=True, eq=False)
class PackedLayout(MemoryLayout):
    """Present tokens only, image after image in one row: no padding at all.

    Args:
        rows: (sum L_b,), the candidate of each token, numbered through all images.
        position: (B, N), the place of each candidate in the row of tokens, if it is there.
        offsets: (B + 1,), where each image begins in the row of tokens, and the end.
    """

    name = 'packed'
    counts: list[int]
    rows: Tensor
    position: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, active: Tensor, num_prefix: int, counts: list[int] | None = None) -> 'PackedLayout':
        batch_size, num_candidates = active.shape
        sums, flat = active.sum(dim=1), active.flatten()
        position = flat.cumsum(0) - 1
        if is_exporting():  # one image, whose number of tokens is a symbol
            rows = flat.nonzero().squeeze(1)
            torch._check(rows.shape[0] > 0)
            counts = [rows.shape[0]]
        else:
            counts = sums.tolist() if counts is None else counts  # the one wait for the GPU
            total, candidates = sum(counts), torch.arange(flat.shape[0], device=flat.device)
            rows = candidates.new_empty(total + 1).index_copy(0, position.where(flat, total), candidates)[:total]
        offsets = F.pad(sums.cumsum(0), (1, 0))
        return cls(batch_size, num_candidates, num_prefix, counts, rows, position.view(active.shape), offsets)

    @cached_property
    def segments(self) -> Segments:
        offsets = self.offsets + torch.arange(self.batch_size + 1, device=self.offsets.device) * self.num_prefix
        return Segments([count + self.num_prefix for count in self.counts], offsets.int())

    @property
    def holds_absent(self) -> bool:
        return False

    def select(self, candidates: Tensor) -> Tensor:
        if candidates.dim() == 3:
            return candidates.flatten(0, 1).index_select(0, self.rows).unsqueeze(0)
        rows = self.rows if self.batch_size == 1 else self.rows % self.num_candidates
        return candidates.index_select(0, rows).unsqueeze(0)

    def scatter(self, tokens: Tensor) -> Tensor:
        return _scatter_rows(tokens, self.rows, self.batch_size, self.num_candidates)

    def take(self, tokens: Tensor, candidates: Tensor) -> Tensor:
        position = self.position.gather(1, candidates)
        return tokens[0].index_select(0, position.flatten()).unflatten(0, position.shape)

    def assemble(self, prefix: Tensor, tokens: Tensor) -> Tensor:
        if self.num_prefix == 0:
            return tokens
        prefix = prefix.to(tokens.dtype).expand(self.batch_size, -1, -1)
        if self.batch_size == 1:
            return torch.cat((prefix, tokens), dim=1)
        prefix_rows, token_rows = self._sequence_rows
        row = tokens.new_empty(sum(self.segments.lengths), tokens.shape[-1]).index_copy(0, token_rows, tokens[0])
        return row.index_copy(0, prefix_rows.flatten(), prefix.flatten(0, 1)).unsqueeze(0)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.batch_size == 1:
            return super().split(x)
        prefix_rows, token_rows = self._sequence_rows
        prefix = x[0].index_select(0, prefix_rows.flatten())
        return prefix.unflatten(0, prefix_rows.shape), x.index_select(1, token_rows)

    @cached_property
    def _sequence_rows(self) -> tuple[Tensor, Tensor]:
        """Where prefix tokens (B, P) and tokens (sum L_b,) lie in the row of both."""
        device = self.offsets.device
        images = torch.arange(self.batch_size, device=device)
        image = images.repeat_interleave(self.offsets.diff(), output_size=sum(self.counts))
        token_rows = torch.arange(image.shape[0], device=device) + (image + 1) * self.num_prefix
        return self.segments.offsets[:-1, None] + torch.arange(self.num_prefix, device=device), token_rows


def presence_order(active: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Put the tokens of each image before its other candidates, each in the order of the candidates, coarse before fine.

    Args:
        active: (B, N) bool, the candidates that are tokens.

    Returns:
        (B,) how many are tokens; (B, N) the candidate at each place; (B, N) the place of each candidate.
    """
    counts = active.sum(dim=1)
    absent = counts[:, None] + (~active).cumsum(dim=1)
    position = active.cumsum(dim=1).where(active, absent) - 1
    candidates = torch.arange(active.shape[1], device=active.device).expand_as(position)
    return counts, torch.empty_like(position).scatter(1, position, candidates), position


LAYOUTS: dict[str, type[MemoryLayout]] = {layout.name: layout for layout in (MaskedLayout, TrimmedLayout, PackedLayout)}


def _gather_rows(x: Tensor, index: Tensor) -> Tensor:
    """x (B, N, C), index (B, L) -> (B, L, C)."""
    return x.flatten(0, 1).index_select(0, _rows_of(index, x.shape[1])).unflatten(0, index.shape)


def _scatter_rows(x: Tensor, rows: Tensor, batch_size: int, length: int) -> Tensor:
    """Rows of x (..., C), each at its row of (B * N, C), 0 elsewhere -> (B, N, C)."""
    table = x.new_zeros(batch_size * length, x.shape[-1])
    return table.index_copy(0, rows, x.flatten(0, 1)).unflatten(0, (batch_size, length))


def _rows_of(index: Tensor, length: int) -> Tensor:
    """Places (B, L) within images of so many rows each -> rows of all images (B * L,)."""
    return (index + torch.arange(index.shape[0], device=index.device)[:, None] * length).flatten()
