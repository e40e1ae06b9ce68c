"""Index maps and patches of two scales."""

import pytest
import torch
import torch.nn.functional as F

from msvit.tokens import TokenGrid, pad_to_multiple, patchify

SIZES = [(32, 32), (32, 64), (40, 56), (33, 17), (8, 8), (5, 70)]


@pytest.mark.parametrize(
    ('size', 'patches', 'regions', 'cells'),
    [
        ((512, 512), (16, 32), (16, 16), (32, 32)),
        ((352, 480), (16, 32), (11, 15), (22, 30)),
        ((336, 448), (14, 28), (12, 16), (24, 32)),
        ((336, 240), (16, 32), (11, 8), (21, 15)),
        ((33, 16), (16, 32), (2, 1), (3, 1)),
        ((64, 64), (8, 32), (2, 2), (8, 8)),
    ],
)
def test_shapes(size, patches, regions, cells):
    grid = TokenGrid(*size, *patches)
    assert grid.region_shape == regions
    assert grid.fine_shape == cells
    assert (grid.num_coarse, grid.num_fine) == (regions[0] * regions[1], cells[0] * cells[1])


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('ratio', [2, 3])
def test_every_cell_lies_in_the_region_of_its_first_pixel(size, ratio):
    grid = TokenGrid(*size, 8, 8 * ratio)
    expected = [
        (y * 8 // (8 * ratio)) * grid.region_shape[1] + x * 8 // (8 * ratio)
        for y in range(grid.fine_shape[0])
        for x in range(grid.fine_shape[1])
    ]
    assert grid.region_of_cell().tolist() == expected
    cells = grid.cells_per_token()
    assert cells[: grid.num_coarse].tolist() == [expected.count(region) for region in range(grid.num_coarse)]
    assert (cells[grid.num_coarse :] == 1).all()


@pytest.mark.parametrize('size', SIZES)
def test_active_tokens_cover_every_cell_once(size):
    grid = TokenGrid(*size, 8, 16)
    mask = torch.rand(3, *grid.region_shape, generator=torch.Generator().manual_seed(0)) > 0.5
    active = grid.active(mask)
    assert active.dtype == torch.bool
    covered = active[:, : grid.num_coarse][:, grid.region_of_cell()].int() + active[:, grid.num_coarse :].int()
    assert (covered == 1).all()
    assert torch.equal(grid.active(mask.float()), active.float())
    assert ((active * grid.cells_per_token()).sum(1) == grid.num_fine).all()


def test_relaxed_decisions_pass_their_gradient_to_both_scales():
    grid = TokenGrid(16, 16, 8, 16)
    relaxed = torch.full((1, 1, 1), 0.3, requires_grad=True)
    active = grid.active(relaxed)
    torch.testing.assert_close(active, torch.tensor([[0.7, 0.3, 0.3, 0.3, 0.3]]))
    (gradient,) = torch.autograd.grad(active @ torch.tensor([10.0, 1, 2, 3, 4]), relaxed)
    assert gradient.item() == pytest.approx(1 + 2 + 3 + 4 - 10)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('ratio', [2, 3])
def test_pooled_cells_are_the_mean_of_the_cells_that_a_region_has(size, ratio):
    grid = TokenGrid(*size, 8, 8 * ratio)
    cells = torch.randn(2, grid.num_fine, 5, dtype=torch.float64, requires_grad=True)
    pooled = grid.pool_cells(cells)
    assert pooled.shape == (2, grid.num_coarse + grid.num_fine, 5)
    regions = grid.region_of_cell()
    for region in range(grid.num_coarse):
        torch.testing.assert_close(pooled[:, region], cells[:, regions == region].mean(dim=1))
    assert torch.equal(pooled[:, grid.num_coarse :], cells)
    # what each region gives back is spread evenly over its cells
    (gradient,) = torch.autograd.grad(pooled[:, : grid.num_coarse].sum(), cells)
    torch.testing.assert_close(gradient[0, :, 0], 1 / grid.cells_per_token()[regions].double())


@pytest.mark.parametrize('size', SIZES)
def test_patches_are_those_of_the_image(size):
    grid = TokenGrid(*size, 8, 16)
    images = torch.randn(2, 3, *size)
    patches = grid.patches(images)
    assert patches.shape == (2, grid.num_coarse + grid.num_fine, 3 * 64)
    padded = F.pad(images, (0, 16 * grid.region_shape[1] - size[1], 0, 16 * grid.region_shape[0] - size[0]))
    small = F.interpolate(padded, scale_factor=0.5, mode='bilinear', align_corners=False)
    for k in range(grid.num_coarse):
        y, x = divmod(k, grid.region_shape[1])
        torch.testing.assert_close(patches[:, k], small[:, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].flatten(1))
    for k in range(grid.num_fine):
        y, x = divmod(k, grid.fine_shape[1])
        fine = padded[:, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].flatten(1)
        assert torch.equal(patches[:, grid.num_coarse + k], fine)


def test_padding_is_zero_at_the_right_and_the_bottom():
    images = torch.ones(1, 2, 5, 8)
    padded = pad_to_multiple(images, 8)
    assert padded.shape == (1, 2, 8, 8)
    assert torch.equal(padded[..., :5, :], images)
    assert not padded[..., 5:, :].any()
    assert pad_to_multiple(padded, 8) is padded


def test_patchify_keeps_the_order_of_a_convolution():
    images, weight = torch.randn(2, 3, 12, 8), torch.randn(5, 3, 4, 4)
    expected = F.conv2d(images, weight, stride=4).permute(0, 2, 3, 1)
    torch.testing.assert_close(patchify(images, 4) @ weight.flatten(1).T, expected, atol=1e-4, rtol=1e-4)


def test_maps_cached_in_inference_mode_can_be_trained_with():
    grid = TokenGrid(24, 88, 8, 16)  # a size no other test uses
    with torch.inference_mode():
        assert not grid.region_of_cell().is_inference()
        assert not grid.cells_per_token().is_inference()
    relaxed = torch.rand(1, *grid.region_shape, requires_grad=True)
    (grid.active(relaxed) * grid.cells_per_token()).sum().backward()
    assert relaxed.grad is not None
