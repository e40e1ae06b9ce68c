"""The ragged sequence that flows through a mixed-scale transformer."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .index import TokenIndex
from .layouts import Layout


@dataclass(frozen=True)
class MixedTokens:
    """Tokens of two scales, with the way back to the image.

    Args:
        x: the token features in the memory layout of ``index``, prefix tokens included.
        index: which tokens are present and where each lies.
    """

    x: Tensor
    index: TokenIndex

    @property
    def layout(self) -> Layout:
        """``'masked'``, ``'trimmed'`` or ``'packed'``."""
        return self.index.memory.name

    @property
    def fine_mask(self) -> Tensor:
        """(B, Hc, Wc) bool, True = the region is split into fine tokens."""
        return self.index.fine_mask

    @property
    def counts(self) -> Tensor:
        """(B,) present tokens of each image, without prefix tokens."""
        return self.index.counts

    def prefix(self) -> Tensor:
        """Take the class, distillation and register tokens, (B, P, C)."""
        return self.index.memory.split(self.x)[0]

    def tokens(self) -> Tensor:
        """Take the tokens without prefix: (B, L, C), or (1, sum L_b, C) if packed."""
        return self.index.memory.split(self.x)[1]

    def to_map(self) -> Tensor:
        """Make a map of the fine grid, (B, C, Hf, Wf); a coarse token is copied to each cell that it stands for (section
        E.1). Contiguous, for mmcv's operators (RoIAlign) read other memory formats wrongly."""
        cells = self.index.cell_tokens(self.tokens())
        return cells.transpose(1, 2).reshape(cells.shape[0], -1, *self.index.grid.fine_shape).contiguous()

    def pruned(self, kept: Tensor, share: Tensor | None = None, counts: list[int] | None = None) -> 'MixedTokens':
        """Leave out some of the tokens, prefix tokens aside.

        Args:
            kept: (B, Nc + Nf) bool, which of the present tokens stay; of each image at least one.
            share: (B, Nc + Nf); if given, one new token of each image that loses some is their sum times ``share``.
            counts: how many stay of each image, if that is known without asking the GPU.
        """
        prefix, tokens = self.index.memory.split(self.x)
        candidates, fused = self.index.memory.scatter(tokens), None
        if share is not None:
            dropped = self.index.active & ~kept
            sums = torch.einsum('bn,bnc->bc', (share * dropped).to(candidates.dtype), candidates)
            # the new token takes the place of the first that it replaces
            fused = dropped & (dropped.cumsum(dim=1) == 1)
            candidates, kept = torch.where(fused.unsqueeze(-1), sums.unsqueeze(1), candidates), kept | fused
            before = self.index.host_counts
            if counts is not None and before is not None:
                counts = [min(count + 1, most) for count, most in zip(counts, before, strict=True)]
        index = self.index.pruned(kept, fused, counts)
        return MixedTokens(index.memory.assemble(prefix, index.memory.select(candidates)), index)

    def with_features(self, x: Tensor) -> 'MixedTokens':
        """Give the same tokens other features, of the same layout."""
        return replace(self, x=x)
