"""Peers that cost what another network costs, on the weights that they are given."""

from collections.abc import Mapping
from copy import copy

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ...backbones import MSDyViT, MSEViT
from .pruning import keep_rate_for_macs
from .tome import apply_tome, r_for_macs


def peers_at_macs(
    vit: VisionTransformer, pruning: Mapping[str, MSEViT | MSDyViT], images: Tensor, num_tokens: int, macs: float
) -> dict[tuple[str, str], nn.Module]:
    """Token merging and pruning at the settings that cost closest to a wanted number.

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
    peers: dict[tuple[str, str], nn.Module] = {('ToMe', f'r = {r}'): apply_tome(vit, r)}
    for name, net in pruning.items():
        twin = copy(net)
        twin.keep_rate = keep_rate_for_macs(net, images, macs)
        peers[name, f'keep rate {twin.keep_rate}'] = twin
    return peers
