"""timm's transformer block on mixed-scale tokens."""

from collections.abc import Iterator
from typing import cast

from timm.layers import Attention
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ..attention import KeyBias, attend, merge_heads, project
from ..drop_path import drop_images
from ..tokens import TokenIndex


class MixedScaleBlock(nn.Module):
    """timm's pre-norm block in two halves that know how the tokens lie; its layers and their names are timm's.

    Args:
        block: of timm; its layers are taken over.
        drop_path_rate: probability in training that an image skips a half, in [0, 1).
    """

    attn: Attention

    def __init__(self, block: Block, drop_path_rate: float = 0.0):
        super().__init__()
        self.norm1, self.attn, self.ls1 = block.norm1, cast(Attention, block.attn), block.ls1
        self.norm2, self.mlp, self.ls2 = block.norm2, block.mlp, block.ls2
        self.drop_path_rate = drop_path_rate

    def forward(self, x: Tensor, index: TokenIndex | KeyBias | None = None) -> Tensor:
        """Run both halves.

        Args:
            x: (B, N, C), or (1, sum N_b, C) for a packed row.
            index: see `attend`; None: a plain batch.

        Returns:
            The shape of ``x``.
        """
        return self.feed_forward(self.attend(x, index), index)

    def attend(self, x: Tensor, index: TokenIndex | KeyBias | None = None) -> Tensor:
        """Run the first half, attention; arguments as in `forward`."""
        normed = self.norm1(x)
        return self.add_attention(x, normed, project(self.attn, normed), index)

    def add_attention(self, x: Tensor, normed: Tensor, qkv: Tensor, index: TokenIndex | KeyBias | None = None) -> Tensor:
        """Finish the first half.

        Args:
            x: as in `forward`.
            normed: ``norm1(x)``.
            qkv: `project` of it.
            index: as in `forward`.
        """
        return self._add(x, self.ls1(merge_heads(self.attn, attend(qkv, index), normed)), index)

    def feed_forward(self, x: Tensor, index: TokenIndex | KeyBias | None = None) -> Tensor:
        """Run the second half, the MLP; arguments as in `forward`."""
        return self._add(x, self.ls2(self.mlp(self.norm2(x))), index)

    def extra_repr(self) -> str:
        return f'drop_path_rate={self.drop_path_rate:.3g}' if self.drop_path_rate else ''

    def _add(self, x: Tensor, branch: Tensor, index: TokenIndex | KeyBias | None) -> Tensor:
        if self.training:
            branch = drop_images(branch, self.drop_path_rate, None if index is None else index.segments)
        return x + branch


class Blocks(nn.Sequential):
    """The blocks of an encoder: a Sequential that says what it holds."""

    def __iter__(self) -> Iterator[MixedScaleBlock]:
        return cast('Iterator[MixedScaleBlock]', super().__iter__())
