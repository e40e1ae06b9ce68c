"""From mixed-scale tokens to feature maps in which a coarse token says something of its own to each of its cells."""

import torch
import torch.nn.functional as F
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

    def to_map(self, tokens: MixedTokens) -> Tensor:
        """As `ReplicateTokens`.

        Raises:
            ValueError: the tokens have another ratio of scales.
        """
        grid, ratio = tokens.index.grid, self.ratio
        if grid.ratio != ratio:
            raise ValueError(f'UnfoldTokens has ratio={ratio}, the tokens {grid.ratio}: set ratio={grid.ratio}')
        cells = tokens.index.cell_tokens(tokens.tokens()).unflatten(1, grid.fine_shape)
        # all cells of a coarse region are alike, so one of them speaks for the token; nothing comes of the zeros of the others
        coarse = cells[:, ::ratio, ::ratio] * ~tokens.fine_mask.unsqueeze(-1)
        own = F.linear(coarse, self.weight.transpose(2, 3).flatten(0, 2).to(cells.dtype))
        own = own.unflatten(-1, (ratio, ratio, -1)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        # copies, of which an exporter need not ask how symbolic sizes and strides compare
        rows, columns = (torch.arange(side, device=own.device) for side in grid.fine_shape)
        return (cells + own.index_select(1, rows).index_select(2, columns)).permute(0, 3, 1, 2).contiguous()
