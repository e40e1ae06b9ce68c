"""From mixed-scale tokens to ordinary feature maps."""

from collections.abc import Sequence

from torch import Tensor

from ..graphs import ReplayedOnTokens
from ..tokens import MixedTokens


class ReplicateTokens(ReplayedOnTokens):
    """Copy each coarse token to the four fine cells that it stands for (section E.1), in front of any mmseg head.

    Use it behind ``MSViT(out_type='tokens')``; ``out_type='featmap'`` does the same within the backbone.
    """

    def forward(self, inputs: Sequence[MixedTokens]) -> tuple[Tensor, ...]:
        """Mixed-scale tokens of one or more blocks -> a tuple of maps (B, C, Hf, Wf).

        Raises:
            TypeError: an input is no `MixedTokens`.
        """
        for tokens in inputs:
            if not isinstance(tokens, MixedTokens):
                raise TypeError(
                    f"ReplicateTokens takes MixedTokens, got {type(tokens).__name__}: set the backbone's out_type='tokens'"
                )
        return tuple(self._replayed(self.to_map, tokens) for tokens in inputs)

    def to_map(self, tokens: MixedTokens) -> Tensor:
        """The tokens of one block -> a map (B, C, Hf, Wf)."""
        return tokens.to_map()
