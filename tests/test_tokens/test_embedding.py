"""Patch and position embeddings of two scales."""

import pytest
import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed, resample_abs_pos_embed

from msvit.linear import embed_patches
from msvit.tokens import TokenGrid, build_index, position_table


@pytest.mark.parametrize('size', [(32, 48), (40, 24)])
@pytest.mark.parametrize('bias', [True, False])
def test_fine_patches_embed_as_timm_does(size, bias, assert_relative):
    embed = PatchEmbed(None, patch_size=8, embed_dim=16, bias=bias)
    images, grid = torch.randn(2, 3, *size), TokenGrid(*size, 8, 16)
    ours = embed_patches(grid.patches(images), embed.proj)
    assert_relative(ours[:, grid.num_coarse :], embed(images))


def test_coarse_patches_embed_as_the_image_at_half_size(assert_relative):
    embed = PatchEmbed(None, patch_size=8, embed_dim=16)
    images, grid = torch.randn(2, 3, 32, 48), TokenGrid(32, 48, 8, 16)
    small = F.interpolate(images, scale_factor=0.5, mode='bilinear', align_corners=False)
    assert_relative(embed_patches(grid.patches(images), embed.proj)[:, : grid.num_coarse], embed(small))


def test_embedding_the_chosen_equals_choosing_the_embedded(layout, assert_relative):
    embed = PatchEmbed(None, patch_size=8, embed_dim=16)
    images, grid = torch.randn(3, 3, 40, 32), TokenGrid(40, 32, 8, 16)
    mask = torch.rand(3, *grid.region_shape, generator=torch.Generator().manual_seed(1)) > 0.5
    index, patches = build_index(layout, grid, mask), grid.patches(images)
    chosen = index.memory.select(embed_patches(patches, embed.proj))
    assert_relative(embed_patches(index.memory.select(patches), embed.proj), chosen, 1e-6)


@pytest.mark.parametrize('mode', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('native', [(4, 4), (2, 8)])
def test_native_positions_stay_untouched(native, mode):
    positions = torch.randn(1, 16, 6)
    grid = TokenGrid(native[0] * 8, native[1] * 8, 8, 16)
    table = position_table(positions, native, grid, mode)
    torch.testing.assert_close(table[grid.num_coarse :], positions[0])


@pytest.mark.parametrize('mode', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('size', [(48, 80), (56, 40), (16, 16)])
def test_fine_positions_are_resampled_as_timm_does(size, mode):
    positions = torch.randn(1, 16, 6)
    grid = TokenGrid(*size, 8, 16)
    expected = resample_abs_pos_embed(positions, list(grid.fine_shape), [4, 4], num_prefix_tokens=0, interpolation=mode)
    torch.testing.assert_close(position_table(positions, (4, 4), grid, mode)[grid.num_coarse :], expected[0])


def test_as_many_cells_in_another_shape_are_resampled():
    positions = torch.randn(1, 16, 6)
    table = position_table(positions, (2, 8), TokenGrid(32, 32, 8, 16))
    assert not torch.allclose(table[4:], positions[0])


def test_coarse_positions_lie_in_the_middle_of_their_cells():
    """A position embedding that grows linearly with the row and the column must give coarse tokens the value at their
    centre."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing='ij')
    positions = torch.stack((rows, columns), dim=-1).reshape(1, 64, 2)
    grid = TokenGrid(64, 64, 8, 16)
    coarse = position_table(positions, (8, 8), grid)[: grid.num_coarse].reshape(4, 4, 2)
    # antialiasing pulls the outermost tokens inwards, by symmetry not the inner ones
    torch.testing.assert_close(coarse[1:3, 0, 0], torch.tensor([2.5, 4.5]))
    torch.testing.assert_close(coarse[0, 1:3, 1], torch.tensor([2.5, 4.5]))


def test_a_cropped_region_keeps_the_position_of_its_cells():
    positions = torch.randn(1, 25, 6)
    grid = TokenGrid(40, 40, 8, 16)  # 5 x 5 cells: border regions have one cell across
    table = position_table(positions, (5, 5), grid)
    whole = positions.reshape(5, 5, 6)[[0, 1, 2, 3, 4, 4]][:, [0, 1, 2, 3, 4, 4]]
    expected = F.interpolate(whole.permute(2, 0, 1)[None], size=(3, 3), mode='bilinear', antialias=True)
    torch.testing.assert_close(table[:9], expected[0].flatten(1).T)
