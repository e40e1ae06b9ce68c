"""Multiply-accumulate operations of mixed-scale backbones, as they run: only present tokens cost anything."""

from collections.abc import Callable

from torch import Tensor

from ...backbones import MSDyViT, MSEViT, MSSwin, MSViT
from ...backbones.gated import GatedBackbone
from ...tokens import TokenGrid
from .counting import Macs, count_macs, linear_macs
from .pruned import dyvit_macs, evit_macs
from .swin import swin_macs
from .vit import vit_macs

# The first class that a backbone is an instance of decides: subclasses first.
_COUNTERS: dict[type[GatedBackbone], Callable[..., Macs]] = {
    MSDyViT: dyvit_macs,
    MSEViT: evit_macs,
    MSViT: vit_macs,
    MSSwin: swin_macs,
}


def backbone_macs(backbone: GatedBackbone, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
    """MACs of a mixed-scale backbone on given tokens; no forward pass is needed.

    Args:
        backbone: one of msvit's.
        grid: of the images, ``backbone.grid(images)``.
        counts: (B,) present tokens of each image, without prefix tokens.
        fine_mask: (B, Hc, Wc) bool, the decisions, for backbones whose cost depends on where the tokens lie.

    Returns:
        The parts, each (B,).

    Raises:
        TypeError: the backbone is of no known kind.
    """
    for kind, count in _COUNTERS.items():
        if isinstance(backbone, kind):
            return count(backbone, grid, counts, fine_mask)
    raise TypeError(f'MACs of a {type(backbone).__name__} are not known: give one of msvit.backbones')


__all__ = ['Macs', 'backbone_macs', 'count_macs', 'linear_macs']
