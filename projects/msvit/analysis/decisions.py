"""Decisions that are made up: inputs of the size that a config names, and masks with a wanted number of tokens."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..backbones.gated import GatedBackbone
from .input_size import native_size
from .model import AnalysedModel


def native_inputs(model: AnalysedModel, batch: int = 1, seed: int = 0) -> Tensor:
    """Noise (batch, 3, H, W) of the size that the model sees at test, see `native_size`."""
    noise = torch.randn(batch, 3, *native_size(model.cfg, model.backbone), generator=torch.Generator().manual_seed(seed))
    return noise.to(model.device)


def mask_of_tokens(backbone: GatedBackbone, images: Tensor, tokens: int, seed: int = 0) -> Tensor:
    """Random decisions with which every image has a wanted number of tokens, or the next one that there is.

    Args:
        backbone: whose grid counts.
        images: (B, 3, H, W).
        tokens: of each image, without prefix tokens.
        seed: of the draw.

    Returns:
        (B, Hc, Wc) bool.

    Raises:
        ValueError: fewer tokens than the image has regions, or more than it has fine cells.
    """
    grid = backbone.grid(images)
    if not grid.num_coarse <= tokens <= grid.num_fine:
        raise ValueError(
            f'{tokens} tokens are not to be had: an input of {images.shape[-2]}x{images.shape[-1]} pixels has '
            f'{grid.num_coarse} (every region coarse) to {grid.num_fine} (every region fine)'
        )
    share = (tokens - grid.num_coarse) / max(grid.num_fine - grid.num_coarse, 1)
    return random_masks([round(share * grid.num_coarse)] * len(images), grid.region_shape, seed).to(images.device)


def random_masks(fine_regions: Sequence[int], shape: tuple[int, int], seed: int = 0) -> Tensor:
    """Draw masks (B, Hc, Wc) bool, each with so many fine regions."""
    drawn = torch.rand(len(fine_regions), math.prod(shape), generator=torch.Generator().manual_seed(seed))
    ranks = drawn.argsort(dim=1).argsort(dim=1)
    return (ranks < torch.tensor(fine_regions)[:, None]).reshape(-1, *shape)
