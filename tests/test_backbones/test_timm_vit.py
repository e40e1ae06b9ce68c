"""Arguments and names that become MSViTs, and why others do not; timm's own models are in test_timm_vits.py."""

import pytest

from msvit.backbones import MSViT
from msvit.backbones.timm_vit import build_timm_vit

ARCH = dict(embed_dim=16, depth=2, num_heads=2, patch_size=8)


def test_no_classifier():
    vit = build_timm_vit(ARCH, 64)
    assert not list(vit.head.parameters())


def test_a_non_square_native_size():
    assert build_timm_vit(ARCH, (32, 64)).patch_embed.grid_size == (4, 8)


@pytest.mark.parametrize(
    ('arch', 'message'),
    [
        ('vit_tiny_patch16_22', 'unknown timm model .*Did you mean one of vit_tiny_patch16_224'),
        ('nothing_of_the_kind', "unknown timm model 'nothing_of_the_kind'"),
        (dict(ARCH, patch_size=(8, 16)), 'only square patches'),
        (dict(ARCH, pos_embed='none'), 'no learned absolute position embeddings'),
        (dict(ARCH, drop_path_rate=0.1), 'arch may not hold drop_path_rate: the backbone sets'),
        (dict(ARCH, img_size=64, attn_drop_rate=0.1), 'arch may not hold attn_drop_rate, img_size'),
        (dict(ARCH, patch_drop_rate=0.5), 'arch may not hold patch_drop_rate'),
    ],
)
def test_what_cannot_be_driven_says_why(arch, message):
    with pytest.raises(ValueError, match=message):
        build_timm_vit(arch, 64)


@pytest.mark.parametrize('arch', [None, 3, ['vit_tiny_patch16_224']])
def test_arch_is_a_name_or_a_dict(arch):
    with pytest.raises(TypeError, match='arch must be a timm model name or a dict'):
        MSViT(arch)
