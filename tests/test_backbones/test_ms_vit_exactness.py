"""MSViT against timm, and its three layouts against each other."""

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.vision_transformer import VisionTransformer

from msvit.backbones import MSViT
from msvit.tokens import LAYOUTS

SMALL = dict(embed_dim=48, depth=3, num_heads=3, patch_size=16)
ARCHS = {
    'plain': SMALL,
    'no class token': dict(SMALL, class_token=False),
    'registers': dict(SMALL, reg_tokens=2, no_embed_class=True),
    'LayerScale': dict(SMALL, init_values=0.5),
    'pre-norm': dict(SMALL, pre_norm=True),
    'qk-norm': dict(SMALL, qk_norm=True),
}


def build_pair(arch, native: int, perturb) -> tuple[MSViT, VisionTransformer]:
    """An all-fine MSViT and timm's own model with the same weights."""
    options = dict(img_size=native, num_classes=0, dynamic_img_size=True, dynamic_img_pad=True)
    torch.manual_seed(0)
    if isinstance(arch, dict):
        theirs = VisionTransformer(**arch, **options, global_pool='', fc_norm=False)
    else:
        theirs = timm.create_model(arch, **options)
    ours = MSViT(arch, img_size=native, coarse_patch_size=32, pos_embed_mode='bicubic', out_type='tokens')
    ours.load_state_dict(perturb(theirs).state_dict())
    return ours.eval(), theirs.eval()


def as_timm(tokens) -> torch.Tensor:
    return torch.cat((tokens.prefix(), tokens.to_map().flatten(2).transpose(1, 2)), dim=1)


@pytest.mark.parametrize('arch', ARCHS.values(), ids=ARCHS)
@torch.no_grad()
def test_all_fine_is_timm(arch, perturb, assert_relative):
    ours, theirs = build_pair(arch, 128, perturb)
    for height, width in [(128, 128), (96, 160), (80, 48), (77, 65)]:
        images = torch.randn(1, 3, height, width)
        assert_relative(as_timm(ours(images)[0]), theirs.forward_features(images))


@torch.no_grad()
def test_all_fine_is_timm_at_224(perturb, assert_relative):
    ours, theirs = build_pair('vit_small_patch16_224', 224, perturb)
    images = torch.randn(1, 3, 224, 224)
    ours.out_type = 'featmap'
    (features,) = ours(images)
    assert_relative(features, theirs.forward_features(images)[:, 1:].transpose(1, 2).reshape(1, 384, 14, 14))
    ours.out_type = 'cls_token'
    assert_relative(ours(images)[0], theirs.forward_features(images)[:, 0])


def test_all_fine_trains_as_timm(layout, perturb, assert_relative):
    ours, theirs = build_pair(SMALL, 64, perturb)
    ours.layout = ours.train_layout = layout
    images = torch.randn(2, 3, 64, 48)
    target = torch.randn(2, 13, 48)
    (as_timm(ours(images)[0]) * target).sum().backward()
    (theirs.forward_features(images) * target).sum().backward()
    assert_same_gradients(ours, gradients_of(theirs))


def gradients_of(net) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in net.named_parameters()}


def assert_same_gradients(net, expected: dict[str, torch.Tensor], tolerance: float = 2e-5) -> None:
    scale = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in gradients_of(net).items():
        wanted = expected[name]
        # some gradients, such as the key bias's, are zero but for rounding
        error = (gradient - wanted).abs().max() / wanted.abs().max().clamp_min(1e-3 * scale)
        assert error < tolerance, f'{name}: {error:.1e}'


@st.composite
def cases(draw):
    size = draw(st.sampled_from([(32, 32), (16, 48), (40, 24), (25, 39), (8, 8), (13, 5)]))
    regions = -(-size[0] // 16), -(-size[1] // 16)
    image = st.one_of(
        st.just([0] * regions[0] * regions[1]),
        st.just([1] * regions[0] * regions[1]),
        st.lists(st.integers(0, 1), min_size=regions[0] * regions[1], max_size=regions[0] * regions[1]),
    )
    masks = torch.tensor(draw(st.lists(image, min_size=1, max_size=3))).bool().reshape(-1, *regions)
    return size, masks, draw(st.sampled_from(['class', 'none', 'registers']))


KINDS = {'class': {}, 'none': dict(class_token=False), 'registers': dict(reg_tokens=3, no_embed_class=True, init_values=0.5)}


@pytest.fixture(scope='module')
def nets(tiny_msvit):
    """A small net of each kind, with the same weights in every layout."""
    return {kind: {name: tiny_msvit(arch, layout=name) for name in LAYOUTS} for kind, arch in KINDS.items()}


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_layouts_agree_in_outputs_and_gradients(nets, assert_relative, case):
    (height, width), masks, kind = case
    images = torch.randn(len(masks), 3, height, width, generator=torch.Generator().manual_seed(0))
    results = {}
    for layout, net in nets[kind].items():
        tokens = net.forward_tokens(images, masks)
        features, prefix = tokens.to_map(), tokens.prefix()
        assert tokens.layout == layout
        assert torch.equal(tokens.fine_mask, masks)
        net.zero_grad()
        loss = features.square().mul(torch.linspace(1, 2, features.shape[-1])).sum() + prefix.pow(3).sum()
        loss.backward()
        results[layout] = features.detach(), prefix.detach(), tokens.counts
    features, prefix, counts = results['masked']
    expected = gradients_of(nets[kind]['masked'])
    for layout in ('trimmed', 'packed'):
        assert_relative(results[layout][0], features)
        if prefix.numel():
            assert_relative(results[layout][1], prefix)
        assert torch.equal(results[layout][2], counts)
        assert_same_gradients(nets[kind][layout], expected)
