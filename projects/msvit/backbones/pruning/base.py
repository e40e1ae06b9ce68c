"""What the token-pruning backbones share."""

from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeVar

import torch
from torch import Tensor

from ...checks import is_share
from ...tokens import TokenIndex
from ..ms_deit import MSDeiT
from ..ms_vit import OutType

Count = TypeVar('Count', Tensor, float)


class PruningDeiT(MSDeiT):
    """Base of the backbones that drop tokens within the encoder.

    Args:
        keep_rate: what pruning leaves, each in (0, 1]; one figure for all pruning blocks, or one for each.
        prune_at: the pruning blocks, counted from 0, in ascending order.

    The other arguments are those of `MSDeiT`.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = 'deit_small_patch16_224',
        out_type: OutType = 'cls_token',
        *,
        keep_rate: float | Sequence[float],
        prune_at: Sequence[int],
        **kwargs: Any,
    ):
        super().__init__(arch, out_type=out_type, **kwargs)
        whole = isinstance(prune_at, Sequence) and all(isinstance(block, Integral) for block in prune_at)
        if not whole or not prune_at or list(prune_at) != sorted(set(prune_at)):
            raise ValueError(f'prune_at must name blocks in ascending order, got {prune_at!r}')
        self.keep_rate, self.prune_at = keep_rate, tuple(prune_at)
        self._check_pruning()

    def keep_rates(self) -> tuple[float, ...]:
        """``keep_rate`` of each pruning block.

        Raises:
            ValueError: ``keep_rate`` is out of range, or has another length than ``prune_at``.
        """
        stages = len(self.prune_at)
        rates = tuple(self.keep_rate) if isinstance(self.keep_rate, Sequence) else (self.keep_rate,) * stages
        if len(rates) != stages:
            raise ValueError(f'keep_rate has {len(rates)} figures for {stages} pruning blocks: give each one, or one for all')
        if not all(map(is_share, rates)):
            raise ValueError(f'keep_rate must lie in (0, 1], got {self.keep_rate!r}')
        return rates

    @abstractmethod
    def kept_tokens(self, stage: int, start: Count, now: Count) -> Count:
        """Say how many of its tokens an image keeps at a pruning block: of all images at once, or of one on the host.

        Args:
            stage: which one of ``prune_at``, counted from 0.
            start: tokens before the encoder, (B,) float64 or a number.
            now: tokens before this block, likewise.

        Returns:
            Whole numbers from 1 on, of the same kind.
        """

    def _dropping_stages(self) -> list[int | None]:
        """Of each block, which of ``prune_at`` it is; None where it drops nothing."""
        stages = {i: stage for stage, (i, rate) in enumerate(zip(self.prune_at, self.keep_rates(), strict=True)) if rate < 1}
        return [stages.get(i) for i in range(len(self.blocks))]

    def _how_many(self, stage: int, start: TokenIndex, index: TokenIndex) -> tuple[Tensor, list[int] | None]:
        """`kept_tokens` of the tokens of an index, and the same on the host where it knows their number."""
        kept = self.kept_tokens(stage, start.counts.double(), index.counts.double())
        starts, nows = start.host_counts, index.host_counts
        if starts is None or nows is None:
            return kept, None
        return kept, [int(self.kept_tokens(stage, before, now)) for before, now in zip(starts, nows, strict=True)]

    def capture_graphs(self, bucket: int = 32) -> None:
        """Raise TypeError: tokens leave between the blocks, so no graph holds these all."""
        raise TypeError(f'{type(self).__name__} has no CUDA graphs, for tokens leave between its blocks: use compile_blocks()')

    def _check_pruning(self) -> None:
        name, depth = type(self).__name__, len(self.blocks)
        if self.cls_token is None:
            raise ValueError(f'{name} prunes for the class token, and this arch has none: choose one that has')
        if self.out_type == 'featmap':
            raise ValueError(
                f"{name} has no out_type='featmap', for pruned tokens cover no map: choose 'cls_token' or 'tokens', or MSViT"
            )
        if self.out_indices != (depth - 1,):
            raise ValueError(
                f'{name} gives only the output of its last block: leave out_indices=(-1,), got {self.out_indices}'
            )
        if not 0 <= self.prune_at[0] <= self.prune_at[-1] < depth:
            raise ValueError(f'prune_at must name some of the blocks 0 to {depth - 1}, got {self.prune_at}')
        self.keep_rates()


def best_tokens(score: Tensor, active: Tensor, counts: Tensor) -> Tensor:
    """Choose the best of each image's tokens.

    Args:
        score: (B, N), finite where ``active``.
        active: (B, N) bool, which candidates are tokens.
        counts: (B,) how many to choose, at most the image's tokens.

    Returns:
        (B, N) bool.
    """
    order = score.masked_fill(~active, float('-inf')).argsort(dim=1, descending=True, stable=True)
    chosen = torch.arange(score.shape[1], device=score.device) < counts[:, None]
    return torch.zeros_like(active).scatter(1, order, chosen)
