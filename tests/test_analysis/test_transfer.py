"""A gate on images of another size: as a host would see them, and drawn so that decisions can be seen."""

import numpy as np
import pytest
import torch

from msvit.analysis.scales.cells import PatchSizes, gate_cells
from msvit.analysis.transfer import apply_gate, fade_coarse, heat_map, input_shape
from msvit.backbones import MSViT
from msvit.gates import MLPGate, Normalization

IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@pytest.fixture
def gate() -> MLPGate:
    torch.manual_seed(0)
    gate = MLPGate(coarse_patch_size=16, hidden_dims=(16,), init_p_fine=0.5)
    torch.nn.init.normal_(gate.mlp[-1].weight)
    return gate.eval()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ('shape', 'size', 'expected'),
    [
        ((300, 400), 512, (512, 683)),
        ((400, 300), 128, (171, 128)),
        ((2000, 3000), 512, (512, 768)),
        ((1, 10_000), 512, (1, 2048)),
        ((1, 1), 16, (16, 16)),
    ],
)
def test_sizes(shape, size, expected):
    assert input_shape(shape, size) == expected


def test_a_gate_decides_as_in_a_host(gate, image):
    host = MSViT(dict(embed_dim=16, depth=1, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16, gate=gate).eval()
    mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    pixels = (torch.from_numpy(image).permute(2, 0, 1).float() - mean) / std
    expected = host.decide(pixels[None])
    gated = apply_gate(gate, IMAGENET, image, size=40)
    assert (gated.image == image).all() and gated.fine_mask.shape == (3, 5)
    np.testing.assert_allclose(gated.p_fine, expected.p_fine[0].detach().numpy(), atol=1e-6)
    assert (gated.fine_mask == expected.fine_mask[0].numpy()).all() and 0 < gated.fine_mask.mean() < 1


def test_another_size_has_other_regions(gate, image):
    gated = apply_gate(gate, IMAGENET, image, size=80)
    assert gated.image.shape == (80, 140, 3) and gated.p_fine.shape == (5, 9)


@pytest.mark.parametrize('size', [16, 40, 200])
@pytest.mark.parametrize('patch_size', [2, 8])
def test_all_pictures_of_an_image_have_one_size(gate, image, size, patch_size):
    gated = apply_gate(gate, IMAGENET, image, size)
    cells = gate_cells(PatchSizes(patch_size, 16), gated.image, gated.p_fine, gated.fine_mask, ('photo.jpg',))
    assert {(cell.picture.dtype.name, cell.picture.shape) for cell in cells.values()} == {('uint8', (219, 384, 3))}


def test_hotter_is_lighter_in_greyscale():
    grey = heat_map(np.linspace(0, 1, 256)[None], (1, 256), 1, (1, 256))[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) > -0.5).all() and grey[0] < 5 and grey[-1] > 240


def test_each_region_is_a_tile():
    p_fine = np.array([[0.0, 1.0], [1.0, 0.0]])
    picture = heat_map(p_fine, (20, 24), 16, (40, 48))  # padded by 12 and 8 pixels
    light = picture.mean(axis=2) > 128
    assert not light[:32, :32].any() and light[:32, 32:].all() and light[32:, :32].all() and not light[32:, 32:].any()


def test_coarse_regions_fade_and_fine_ones_stay(image):
    mask = np.array([[True, False, False, False], [False, False, False, False]])
    drawn = fade_coarse(image[:32, :64], mask, (32, 64), 16)
    assert (drawn[1:16, 1:16] == image[1:16, 1:16]).all()
    assert drawn[17:, 17:].min() >= 178
    assert (drawn[:16, 16] == 40).all()
