"""MSSwin against timm's Swin, its two layouts against each other, and what a coarse region can reach."""

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from msvit.backbones import MSSwin
from msvit.backbones.swin.cells import CellGrid
from msvit.backbones.swin.windows import WindowGrid

TINY = dict(embed_dim=16, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8))
SCALES = [8, 16, 32]


@pytest.fixture(params=['packed', 'masked'])
def layout(request) -> str:
    return request.param


def build(perturb, arch: dict | None = None, seed: int = 0, **options) -> MSSwin:
    torch.manual_seed(seed)
    options = {'img_size': 64, **options}
    return perturb(MSSwin({**TINY, 'window_size': 4, **(arch or {})}, **options), seed).eval()


def build_pair(perturb, arch, size, **options) -> tuple[MSSwin, SwinTransformer]:
    """MSSwin and timm's Swin with the same weights."""
    torch.manual_seed(0)
    kwargs = dict(img_size=size, num_classes=0, strict_img_size=False)
    theirs = SwinTransformer(**arch, **kwargs) if isinstance(arch, dict) else timm.create_model(arch, **kwargs)
    ours = MSSwin(arch, img_size=size, **options)
    result = ours.load_state_dict(perturb(theirs).state_dict(), strict=False)
    assert not result.unexpected_keys
    assert all(name.startswith(('coarse_embed.', 'fills.')) for name in result.missing_keys)
    return ours.eval(), theirs.eval()


def stages_of(theirs: SwinTransformer, images: Tensor) -> list[Tensor]:
    return theirs.forward_intermediates(images, norm=True, intermediates_only=True)


def all_fine(net: MSSwin, images: Tensor) -> Tensor:
    return torch.ones(len(images), *net.grid(images).region_shape, dtype=torch.bool)


def random_masks(net: MSSwin, images: Tensor, share: float = 0.5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(len(images), *net.grid(images).region_shape, generator=generator) < share


@pytest.mark.parametrize('size', [(64, 64), (128, 96), (200, 264), (52, 36), (100, 40)])
@pytest.mark.parametrize('window', [4, 7, (3, 5), ((8, 8), (4, 4), (7, 7), (2, 2))], ids=str)
def test_all_fine_is_timm(size, window, layout, perturb, assert_relative):
    ours, theirs = build_pair(perturb, dict(TINY, window_size=window), size, layout=layout)
    images = torch.randn(2, 3, *size)
    expected = stages_of(theirs, images)
    with torch.no_grad():
        outputs = ours(images), ours(images, fine_mask=all_fine(ours, images))
    for output in (*outputs, ours(images)):  # and as in training
        for stage, wanted in zip(output, expected, strict=True):
            assert_relative(stage, wanted)


@torch.no_grad()
@pytest.mark.parametrize(
    ('arch', 'size'),
    [
        ('swin_tiny_patch4_window7_224', (224, 224)),
        ('swin_tiny_patch4_window7_224', (256, 320)),
        ('swin_small_patch4_window7_224', (224, 224)),
        ('swin_s3_tiny_224', (224, 224)),
    ],
)
def test_all_fine_is_timm_at_full_size(arch, size, perturb, assert_relative):
    ours, theirs = build_pair(perturb, arch, size)
    images = torch.randn(1, 3, *size)
    for stage, wanted in zip(ours(images), stages_of(theirs, images), strict=True):
        assert_relative(stage, wanted)


@torch.no_grad()
def test_another_size_than_the_native_one(perturb, assert_relative):
    """Windows stay, and shifts come where they no longer cover the map: timm's model built for that size, as a rule."""
    ours, _ = build_pair(perturb, dict(TINY, window_size=4), 128)
    assert [tuple(layer.blocks[1].window_size) for layer in ours.layers] == [(4, 4)] * 4
    for size in ((256, 256), (512, 100), (128, 128)):
        theirs = SwinTransformer(img_size=size, num_classes=0, strict_img_size=False, window_size=4, **TINY).eval()
        if any(block.window_size != (4, 4) for layer in theirs.layers for block in layer.blocks):
            continue
        theirs.load_state_dict(ours.state_dict(), strict=False)
        images = torch.randn(1, 3, *size)
        for stage, wanted in zip(ours(images), stages_of(theirs, images), strict=True):
            assert_relative(stage, wanted)


@torch.no_grad()
@pytest.mark.parametrize('size', [(61, 83), (3, 5), (33, 64)])
def test_images_that_patches_do_not_divide_are_padded_with_zeros(size, perturb, assert_relative):
    padded = tuple(-(-side // 4) * 4 for side in size)
    ours, theirs = build_pair(perturb, dict(TINY, window_size=1), padded)
    images = torch.randn(2, 3, *size)
    expected = stages_of(theirs, nn.functional.pad(images, (0, padded[1] - size[1], 0, padded[0] - size[0])))
    for stage, wanted in zip(ours(images), expected, strict=True):
        assert_relative(stage, wanted)


def test_all_fine_trains_as_timm(layout, perturb):
    ours, theirs = build_pair(perturb, dict(TINY, window_size=5), (72, 56), layout=layout)
    images = torch.randn(2, 3, 72, 56)
    for net, outputs in ((ours, ours(images)), (theirs, stages_of(theirs, images))):
        net.zero_grad()
        sum((stage * torch.linspace(-1, 1, stage.shape[1])[:, None, None]).pow(2).sum() for stage in outputs).backward()
    assert_same_gradients(ours, {name: p.grad for name, p in theirs.named_parameters()})


def assert_same_gradients(net: nn.Module, expected: dict[str, Tensor], tolerance: float = 2e-5) -> None:
    scale = max(gradient.abs().max() for gradient in expected.values())
    for name, parameter in net.named_parameters():
        if name in expected:
            wanted = expected[name]
            error = (parameter.grad - wanted).abs().max() / wanted.abs().max().clamp_min(1e-3 * scale)
            assert error < tolerance, f'{name}: {error:.1e}'


@st.composite
def cases(draw):
    scale = draw(st.sampled_from(SCALES))
    size = draw(st.sampled_from([(64, 64), (96, 40), (52, 36), (61, 83), (7, 30)]))
    regions = -(-size[0] // scale), -(-size[1] // scale)
    count = regions[0] * regions[1]
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    image = st.one_of(st.just([False] * count), st.just([True] * count), flags)
    masks = torch.tensor(draw(st.lists(image, min_size=1, max_size=3))).reshape(-1, *regions)
    return scale, size, masks


@pytest.fixture(scope='module')
def nets(perturb):
    """The same weights in both layouts, for every scale of regions; as a function, for hypothesis prints what it is given."""
    made = {
        (scale, layout): build(perturb, dict(window_size=3), coarse_patch_size=scale, layout=layout, norm_outputs=True)
        for scale in SCALES
        for layout in ('packed', 'masked')
    }
    return lambda scale, layout: made[scale, layout]


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_layouts_agree_in_outputs_and_gradients(nets, assert_relative, case):
    scale, size, masks = case
    images = torch.randn(len(masks), 3, *size, generator=torch.Generator().manual_seed(0))
    results, gradients = {}, {}
    for layout in ('packed', 'masked'):
        net = nets(scale, layout)
        outputs = net(images, fine_mask=masks)
        net.zero_grad()
        sum(stage.square().mul(torch.linspace(1, 2, stage.shape[-1])).sum() for stage in outputs).backward()
        with torch.no_grad():
            for stage, wanted in zip(net(images, fine_mask=masks), outputs, strict=True):
                assert_relative(stage, wanted)
        results[layout] = outputs
        gradients[layout] = {name: p.grad.clone() for name, p in net.named_parameters()}
    for stage, wanted in zip(results['packed'], results['masked'], strict=True):
        assert_relative(stage, wanted)
    assert_same_gradients(nets(scale, 'packed'), gradients['masked'])


@torch.no_grad()
@pytest.mark.parametrize('scale', SCALES)
def test_a_batch_is_its_images(scale, layout, perturb, assert_relative):
    net = build(perturb, coarse_patch_size=scale, layout=layout)
    images = torch.randn(3, 3, 72, 88)
    masks = random_masks(net, images)
    masks[1] = False
    together = net(images, fine_mask=masks)
    for i, image in enumerate(images.split(1)):
        for stage, alone in zip(together, net(image, fine_mask=masks[i : i + 1]), strict=True):
            assert_relative(stage[i : i + 1], alone)


@torch.no_grad()
def test_many_rows_are_taken_some_at_a_time(perturb, assert_relative, monkeypatch):
    net = build(perturb, img_size=128, coarse_patch_size=16)
    images = torch.randn(2, 3, 128, 120)
    masks = random_masks(net, images)
    expected = net(images, fine_mask=masks), net(images)
    monkeypatch.setattr('msvit.backbones.swin.timm_swin._ROWS_AT_A_TIME', 50)
    for some, whole in zip((net(images, fine_mask=masks), net(images)), expected, strict=True):
        for stage, wanted in zip(some, whole, strict=True):
            assert_relative(stage, wanted)


def changed(a: Tensor, b: Tensor) -> Tensor:
    """Which cells differ, (H, W)."""
    return ((a - b).abs() > 1e-6).any(dim=1)[0]


@torch.no_grad()
@pytest.mark.parametrize('scale', [8, 16])
@pytest.mark.parametrize('region', [(0, 0), (3, 2)])
def test_a_coarse_region_reaches_what_the_windows_let_it(scale, region, layout, perturb):
    """Nothing before it enters; from there on what one cell of a dense Swin reaches."""
    size = 128
    net, theirs = build_pair(perturb, dict(TINY, window_size=4), size, coarse_patch_size=scale, layout=layout)
    perturb(net.coarse_embed)
    images = torch.randn(1, 3, size, size)
    mask = random_masks(net, images)
    mask[(0, *region)] = False
    y, x = (side * scale for side in region)
    others = images.clone()
    others[..., y : y + scale, x : x + scale] += 1
    outputs, moved = net(images, fine_mask=mask), net(others, fine_mask=mask)
    entry = net.entry_stage - 1
    for before, after in zip(outputs[:entry], moved[:entry], strict=True):
        assert torch.equal(before, after)  # the fills are 0 at the start

    cells = size // scale
    dense = torch.randn(1, cells, cells, 16 * 2**entry)
    disturbed = dense.clone()
    disturbed[(0, *region)] += torch.randn(16 * 2**entry)
    for i in range(entry, 4):
        if i > entry:
            dense, disturbed = theirs.layers[i].downsample(dense), theirs.layers[i].downsample(disturbed)
        dense, disturbed = theirs.layers[i].blocks(dense), theirs.layers[i].blocks(disturbed)
        reach = changed(dense.permute(0, 3, 1, 2), disturbed.permute(0, 3, 1, 2))
        found = changed(outputs[i], moved[i])
        assert found[tuple(side // 2 ** (i - entry) for side in region)]
        assert torch.equal(found, reach)
        if i == entry:
            assert not reach.all()


@torch.no_grad()
def test_pixels_of_coarse_regions_are_not_read_before_they_enter(perturb):
    net = build(perturb, coarse_patch_size=32, img_size=64)
    images = torch.randn(1, 3, 64, 64)
    mask = torch.tensor([[[1, 0], [0, 1]]]).bool()
    images[..., :32, 32:] = images[..., 32:, :32] = float('nan')
    fine = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)[0]
    stages = net(images, fine_mask=mask)[:3]
    for i, stage in enumerate(stages):
        cells = fine[:: 2**i, :: 2**i]
        assert stage[0][:, cells].isfinite().all()
        assert stage[0][:, ~cells].isnan().all()  # their own embedding fills them


def attention_flops(net: MSSwin, images: Tensor, mask: Tensor) -> int:
    """Of the products with the values, which only attention makes by bmm."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(images, fine_mask=mask)
    return counter.get_flop_counts()['Global'][torch.ops.aten.bmm]


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('share', [0.0, 0.05, 0.3, 1.0])
def test_windows_without_a_fine_cell_do_not_run(scale, share, perturb):
    """Counted by hand: a window runs if any of its cells lies in a fine region."""
    window = 4
    net = build(perturb, img_size=128, coarse_patch_size=scale, out_indices=(2,))
    images = torch.randn(2, 3, 128, 104)
    mask = random_masks(net, images, share)
    expected = 0
    for i in range(3):
        shape = 32 // 2**i, 26 // 2**i + (26 % 2**i > 0)
        ratio = max(scale // 4 // 2**i, 1)
        fine = mask if 4 * 2**i < scale else torch.ones(2, shape[0], shape[1], dtype=torch.bool)
        fine = fine.repeat_interleave(ratio, 1).repeat_interleave(ratio, 2)[:, : shape[0], : shape[1]]
        for shifts in (False, True):
            shift = tuple(window // 2 if shifts and side > window else 0 for side in shape)
            slots = WindowGrid(CellGrid(*shape), (window, window), shift).slots()
            held = nn.functional.pad(fine.flatten(1), (0, 1))[:, slots]
            expected += int(held.any(dim=2).sum()) * 2 * 16**2 * 16 * 2**i
    assert attention_flops(net, images, mask) == expected


@torch.no_grad()
@pytest.mark.parametrize('scale', SCALES)
def test_an_image_without_a_fine_region(scale, layout, perturb):
    net = build(perturb, coarse_patch_size=scale, layout=layout)
    images = torch.randn(1, 3, 64, 64)
    outputs = net(images, fine_mask=torch.zeros(1, 64 // scale, 64 // scale, dtype=torch.bool))
    assert all(stage.isfinite().all() for stage in outputs)
    entry = net.entry_stage - 1
    # by hand: the embedding as a convolution, then timm's own blocks
    theirs = SwinTransformer(img_size=64, num_classes=0, window_size=4, **TINY).eval()
    theirs.load_state_dict(net.state_dict(), strict=False)
    kernel = net.coarse_embed.weight.view(-1, 3, scale, scale)
    x = nn.functional.conv2d(images, kernel, net.coarse_embed.bias, stride=scale).permute(0, 2, 3, 1)
    for i in range(entry, 4):
        x = theirs.layers[i].blocks(x if i == entry else theirs.layers[i].downsample(x))
    torch.testing.assert_close(outputs[-1], theirs.norm(x).permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)
