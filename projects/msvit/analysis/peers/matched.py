"""Peers that cost what another network costs, on the weights that they are given."""

from collections.abc import Mapping
from copy import copy

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ...backbones import MSDyViT, MSEViT
from .tome import ToMe, r_for_macs


def peers_at_macs(
    vit: VisionTransformer, pruning: Mapping[str, MSEViT | MSDyViT], images: Tensor, num_tokens: int, macs: float
) -> dict[tuple[str, str], nn.Module]:
    """Set token merging and pruning so that they cost closest to a wanted number.

    Args:
        vit: that ToMe merges tokens in.
        pruning: all-fine backbones by the name of their method.
        images: (B, 3, H, W), whose size alone counts.
        num_tokens: of such an image, without prefix tokens.
        macs: wanted multiply-accumulates of one image, > 0.

    Returns:
        By method and setting, modules of their own on the same parameters.
    """
    r = r_for_macs(vit, num_tokens, macs)
    peers: dict[tuple[str, str], nn.Module] = {('ToMe', f'r = {r}'): ToMe(vit, r)}
    for name, net in pruning.items():
        twin = copy(net)
        twin.keep_rate = keep_rate_for_macs(net, images, macs)
        peers[name, f'keep rate {twin.keep_rate}'] = twin
    return peers


def keep_rate_for_macs(net: MSEViT | MSDyViT, images: Tensor, macs: float) -> float:
    """Find the keep rate with which one all-fine image costs closest to a wanted number.

    Args:
        net: EViT or DynamicViT; stays as it is.
        images: (B, 3, H, W), whose size alone counts.
        macs: wanted multiply-accumulates of one image, > 0.

    Returns:
        In hundredths, 0.05 to 1.

    Raises:
        ValueError: ``macs`` is not positive.
    """
    if not macs > 0:
        raise ValueError(f'macs must be positive, got {macs}')
    grid, twin = net.grid(images), copy(net)
    counts = images.new_full((1,), grid.num_fine)

    def miss(rate: float) -> float:
        twin.keep_rate = rate
        return abs(float(twin.macs(grid, counts).total) - macs)

    return min((hundredths / 100 for hundredths in range(5, 101)), key=miss)
