"""From mixed-scale tokens to feature maps in which a coarse token says something of its own to each of its cells."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..checks import check_count
from ..tokens import MixedTokens
from .replicate import ReplicateTokens


class UnfoldTokens(ReplicateTokens):
    """`ReplicateTokens` with a linear map for each place within a region, added to what a coarse token's cell gets.

    A coarse token sees as many pixels as a fine one does, of four times the area: it knows where within its region an object
    ends, and replicated it cannot say so. The maps are 0 at first, which is plain replication.

    Args:
        in_channels: width of the tokens.
        ratio: fine cells along the side of a region, S_c / S_f, >= 2.

    Raises:
        ValueError: an argument is no such number.
    """

    def __init__(self, in_channels: int, ratio: int = 2):
        super().__init__()
        check_count('in_channels', in_channels, least=1)
        check_count('ratio', ratio, least=2)
        self.ratio = ratio
        self.weight = nn.Parameter(torch.zeros(ratio, ratio, in_channels, in_channels))

    def forward(self, inputs: Sequence[MixedTokens]) -> tuple[Tensor, ...]:
        """Mixed-scale tokens of one or more blocks -> a tuple of maps (B, C, Hf, Wf).

        Raises:
            TypeError: an input is no `MixedTokens`.
            ValueError: the tokens have another ratio of scales.
        """
        maps = super().forward(inputs)
        return tuple(map_ + self._own(map_, tokens) for map_, tokens in zip(maps, inputs, strict=True))

    def _own(self, map_: Tensor, tokens: MixedTokens) -> Tensor:
        grid, ratio = tokens.index.grid, self.ratio
        if grid.ratio != ratio:
            raise ValueError(f'UnfoldTokens has ratio={ratio}, the tokens {grid.ratio}: set ratio={grid.ratio}')
        (rows, columns), (height, width) = grid.region_shape, grid.fine_shape
        padded = nn.functional.pad(map_, (0, columns * ratio - width, 0, rows * ratio - height))
        cells = padded.unflatten(3, (columns, ratio)).unflatten(2, (rows, ratio))
        own = torch.einsum('bcirjs,rscd->bdirjs', cells, self.weight.to(cells.dtype))
        own = own * ~tokens.fine_mask[:, None, :, None, :, None]
        own = own.flatten(4, 5).flatten(2, 3)
        # copies, of which an exporter need not ask how symbolic sizes and strides compare
        own = own.index_select(2, torch.arange(height, device=own.device))
        return own.index_select(3, torch.arange(width, device=own.device))
