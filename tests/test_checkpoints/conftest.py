"""Tiny ViTs with random weights that leave no parameter at zero or one."""

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn


def _randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    module.eval()  # mmpretrain's returns None
    return module


def _tiny_timm(seed: int = 1, arch: str = 'vit_tiny_patch16_224', **kwargs) -> nn.Module:
    config = {'img_size': 64, 'embed_dim': 48, 'depth': 2, 'num_heads': 3, 'num_classes': 0, **kwargs}
    return _randomise(timm.create_model(arch, **config), seed)


@pytest.fixture
def randomise() -> Callable[..., nn.Module]:
    """Gives every parameter a distinct random value, so that a wrong or forgotten one shows in the output."""
    return _randomise


@pytest.fixture
def tiny_timm() -> Callable[..., nn.Module]:
    """Makes a timm ViT of width 48 with 2 blocks, patch 16, for 64 px, without a classifier."""
    return _tiny_timm


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(7))
