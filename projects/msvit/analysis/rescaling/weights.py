"""Giving a trained ViT patches of another size, without training."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import resample_patch_embed
from torch import Tensor, nn

from ...backbones import MSViT
from ...backbones.gated import GatedBackbone
from ...gates import BaseGate, GateOutput


class Method(NamedTuple):
    """How weights are resampled.

    Args:
        name: of the method.
        kernel: of the patch embedding: ``'bilinear'``, or ``'flexi'``: FlexiViT's pseudo-inverse.
        positions: interpolation of the position embeddings.
    """

    name: str
    kernel: Literal['bilinear', 'flexi']
    positions: Literal['bilinear', 'bicubic']


# The paper's linear interpolation, and two that each change one part of it.
METHODS = (
    Method('linear', 'bilinear', 'bilinear'),
    Method('bicubic', 'bilinear', 'bicubic'),
    Method('FlexiViT', 'flexi', 'bilinear'),
)


def require_vit(backbone: GatedBackbone) -> MSViT:
    """The backbone, if it is a ViT.

    Raises:
        TypeError: it is another one.
    """
    if not isinstance(backbone, MSViT):
        raise TypeError(
            f'a {type(backbone).__name__} has windows and stages that belong to its patch size: patches can be rescaled in a '
            'ViT, that is in MSViT, MSDeiT, MSEViT and MSDyViT'
        )
    return backbone


@torch.no_grad()
def resample_projection(projection: nn.Conv2d, patch_size: int, kernel: Literal['bilinear', 'flexi']) -> nn.Conv2d:
    """A patch embedding for patches of another size.

    ``'bilinear'`` resizes the kernel as an image, and divides it by its growth in area: tokens would grow with the patch
    otherwise.
    ``'flexi'`` is the pseudo-inverse resize of FlexiViT (Beyer et al., CVPR 2023, section 3.4): the embedding of a resized
    patch is that of the patch, exactly where patches grow, in the least-squares sense where they shrink.

    Args:
        projection: of the trained ViT.
        patch_size: wanted, in pixels, >= 1.
        kernel: see above; resizing is bilinear and antialiased in both.

    Returns:
        The projection itself where the patch size is its own.
    """
    weight, size = projection.weight, (patch_size, patch_size)
    if tuple(weight.shape[-2:]) == size:
        return projection
    if kernel == 'flexi':
        resized = resample_patch_embed(weight, list(size), interpolation='bilinear', antialias=True)
    else:
        resized = resize_images(weight, size) * (weight.shape[-1] / patch_size) ** 2
    options: dict[str, Any] = dict(stride=size, bias=projection.bias is not None, device=weight.device, dtype=weight.dtype)
    twin = nn.Conv2d(projection.in_channels, projection.out_channels, size, **options)
    twin.weight.copy_(resized)
    twin.bias = projection.bias
    return twin


@contextmanager
def rescaled(backbone: MSViT, projection: nn.Conv2d, positions: Literal['bilinear', 'bicubic']) -> Iterator[MSViT]:
    """A ViT with another patch embedding within this context; position embeddings go to whatever grid an image has.

    Regions keep their number of patches. The gate decides on the image resized back to its own regions, so that its grid
    stays too.

    Args:
        backbone: a trained one.
        projection: see `resample_projection`.
        positions: interpolation of the position embeddings; they stay untouched on the grid that they were learned on.
    """
    before = {name: getattr(backbone, name) for name in ('patch_size', 'coarse_patch_size', 'pos_embed_mode', 'gate')}
    own = backbone.patch_embed.proj
    patch_size, ratio = projection.kernel_size[0], backbone.coarse_patch_size // backbone.patch_size
    backbone.patch_embed.proj, backbone.pos_embed_mode = projection, positions
    backbone.patch_size, backbone.coarse_patch_size = patch_size, ratio * patch_size
    if backbone.gate is not None and projection is not own:
        backbone.gate = ResizedGate(backbone.gate, backbone.coarse_patch_size)
    try:
        yield backbone
    finally:
        backbone.patch_embed.proj = own
        for name, value in before.items():
            setattr(backbone, name, value)


class ResizedGate(BaseGate):
    """A gate that looks at regions of its own size, whatever size they have in the image.

    Args:
        gate: that decides.
        coarse_patch_size: side of a region in the image, in pixels.
    """

    def __init__(self, gate: BaseGate, coarse_patch_size: int):
        super().__init__(coarse_patch_size)
        self.gate = gate
        self.train(gate.training)

    def forward(self, images: Tensor) -> GateOutput:
        return self.gate(resize_images(images, [side * self.gate.coarse_patch_size for side in self.region_shape(images)]))


def resize_images(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Resize (B, C, H, W) images bilinearly and antialiased; those of the wanted (height, width) are returned untouched."""
    if tuple(images.shape[-2:]) == tuple(shape):
        return images
    return F.interpolate(images, size=tuple(shape), mode='bilinear', antialias=True)
