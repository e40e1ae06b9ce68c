"""Token merging: the paper's steps done by hand, what a merge must preserve, and what it costs."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import ParallelScalingBlock, VisionTransformer

from msvit.analysis.macs import count_macs
from msvit.analysis.peers.tome import ToMe, match_tokens, merge_tokens, r_for_macs, tome_macs
from msvit.linear import adopt_linears

PREFIXES = {
    'class token': dict(),
    'class token and registers': dict(reg_tokens=4),
    'class token and one register': dict(reg_tokens=1),
    'no prefix': dict(class_token=False, global_pool='avg'),
}


@pytest.fixture
def make_vit(perturb):
    def make(**options) -> VisionTransformer:
        sizes = dict(img_size=48, patch_size=8, embed_dim=32, depth=3, num_heads=2, num_classes=0)
        torch.manual_seed(0)
        return perturb(VisionTransformer(**{**sizes, **options})).eval()

    return make


@pytest.fixture(params=PREFIXES.values(), ids=PREFIXES.keys())
def vit(request, make_vit) -> VisionTransformer:
    return make_vit(**request.param)


@torch.inference_mode()
def lengths_in_mlps(tome, images) -> list[int]:
    lengths = []
    for block in tome.vit.blocks:
        block.mlp.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    assert tome(images).shape == (len(images), lengths[-1], tome.vit.embed_dim)
    return lengths


def merge_by_hand(x, size, keys, r, num_prefix):
    """One image, token by token, as the paper tells it."""
    mean_keys = keys.mean(dim=0)
    tokens = range(num_prefix, len(x))
    a, b = [i for i in tokens if i % 2 == 0], [i for i in tokens if i % 2 == 1]
    edges = {i: max((F.cosine_similarity(mean_keys[i], mean_keys[j], dim=0).item(), j) for j in b) for i in a}
    merged = sorted(a, key=lambda i: edges[i], reverse=True)[:r]
    groups = [[i] for i in range(num_prefix)] + [[i] for i in a if i not in merged]
    groups += [[j] + [i for i in merged if edges[i][1] == j] for j in b]
    sizes = torch.stack([size[group].sum() for group in groups])
    means = torch.stack([(x[group] * size[group, None]).sum(dim=0) / size[group].sum() for group in groups])
    return means, sizes


@pytest.mark.parametrize('num_prefix', [0, 1, 2, 5])
@pytest.mark.parametrize(('num_patches', 'r'), [(16, 1), (16, 5), (16, 8), (17, 3), (17, 8), (2, 1)])
def test_a_merge_is_the_one_done_by_hand(num_prefix, num_patches, r, assert_relative):
    torch.manual_seed(r)
    length = num_prefix + num_patches
    x, keys = torch.randn(3, length, 6), torch.randn(3, 2, length, 4)
    size = torch.randint(1, 6, (3, length)).float()
    merged, sizes = merge_tokens(x, size, match_tokens(keys, r, num_prefix))
    for image in range(3):
        expected, expected_sizes = merge_by_hand(x[image], size[image], keys[image], r, num_prefix)
        assert torch.equal(sizes[image], expected_sizes)
        assert_relative(merged[image], expected)


@pytest.mark.parametrize('sized', [False, True])
@pytest.mark.parametrize('num_prefix', [0, 1, 5])
def test_a_merge_conserves_mass(num_prefix, sized, assert_relative):
    x, keys = torch.randn(2, 23, 8), torch.randn(2, 3, 23, 4)
    size = torch.randint(1, 9, (2, 23)).float() if sized else None
    before = torch.ones(2, 23) if size is None else size
    merged, sizes = merge_tokens(x, size, match_tokens(keys, 7, num_prefix))
    assert merged.shape == (2, 16, 8)
    assert torch.equal(sizes.sum(dim=1), before.sum(dim=1))
    assert_relative((merged * sizes[..., None]).sum(dim=1), (x * before[..., None]).sum(dim=1))


@pytest.mark.parametrize('num_prefix', [1, 2, 5])
def test_prefix_tokens_are_never_merged(num_prefix):
    x = torch.randn(2, num_prefix + 12, 8)
    keys = torch.ones(2, 2, num_prefix + 12, 4)  # all tokens alike: nothing but their place protects the prefix
    merged, sizes = merge_tokens(x, None, match_tokens(keys, 6, num_prefix))
    assert torch.equal(merged[:, :num_prefix], x[:, :num_prefix])
    assert (sizes[:, :num_prefix] == 1).all()


@pytest.mark.parametrize('size', [48, 64], ids=['native size', 'another size'])
@pytest.mark.parametrize('options', [dict(), dict(init_values=0.5, qk_norm=True, scale_attn_norm=True, pre_norm=True)])
@pytest.mark.parametrize('prefix', PREFIXES.values(), ids=PREFIXES.keys())
def test_without_merging_it_is_timms_vit(make_vit, prefix, options, size, assert_relative):
    vit = make_vit(**prefix, **options, dynamic_img_size=True)
    images = torch.randn(2, 3, size, 48)
    with torch.inference_mode():
        assert_relative(ToMe(vit, 0)(images), vit.forward_features(images))


def test_merging_equal_tokens_changes_nothing(make_vit, vit, assert_relative):
    """Two equal tokens and one of size two are the same to proportional attention, so each pair ends as its one token."""
    with torch.no_grad():
        vit.pos_embed.zero_()
    images = torch.randn(2, 3, 48, 24).repeat_interleave(2, dim=3).unflatten(3, (3, 2, 8))
    images = images[..., :1, :].expand(-1, -1, -1, -1, 2, -1).flatten(3)  # each patch twice, side by side
    prefix = vit.num_prefix_tokens
    with torch.inference_mode():
        expected = vit.forward_features(images)
        assert_relative(expected[:, prefix::2], expected[:, prefix + 1 :: 2])
        actual = ToMe(vit, [18, 0, 0])(images)
    assert_relative(actual, torch.cat([expected[:, :prefix], expected[:, prefix::2]], dim=1))


@pytest.mark.parametrize(
    ('r', 'patches'),
    [
        (0, [36, 36, 36]),
        (5, [31, 26, 21]),
        (13, [23, 12, 6]),
        (100, [18, 9, 5]),
        ([3, 0, 7], [33, 33, 26]),
        ((0, 18, 9), [36, 18, 9]),
    ],
)
def test_token_counts(vit, r, patches):
    lengths = lengths_in_mlps(ToMe(vit, r), torch.randn(2, 3, 48, 48))
    assert lengths == [vit.num_prefix_tokens + count for count in patches]


def test_down_to_one_patch_token(make_vit):
    vit = make_vit(depth=8)
    assert lengths_in_mlps(ToMe(vit, 36), torch.randn(1, 3, 48, 48))[-2:] == [2, 2]


@pytest.mark.parametrize('r', [0, 1, 4, 13, 100, [6, 0, 11]], ids=str)
@pytest.mark.parametrize('options', [dict(), dict(img_size=56, mlp_ratio=2)], ids=['36 patches', '49 patches'])
@pytest.mark.parametrize('prefix', PREFIXES.values(), ids=PREFIXES.keys())
def test_macs_agree_with_a_counted_forward_pass(make_vit, prefix, options, r):
    vit = make_vit(**prefix, **options)
    images = torch.randn(1, 3, *vit.patch_embed.img_size)
    counted = count_macs(lambda: ToMe(vit, r)(images))
    assert tome_macs(vit, vit.patch_embed.num_patches, r) == pytest.approx(counted, rel=0.005)


@pytest.mark.parametrize(('r', 'gmacs'), [(0, 4.6), (8, 3.4), (13, 2.7), (16, 2.3)])
def test_macs_of_deit_small_as_published(r, gmacs):
    with torch.device('meta'):
        vit = VisionTransformer(embed_dim=384, num_heads=6, num_classes=0)
    assert round(tome_macs(vit, 196, r) / 1e9, 1) == gmacs


def test_r_for_macs(vit):
    costs = [tome_macs(vit, 36, r) for r in range(19)]
    for cost in costs:
        assert tome_macs(vit, 36, r_for_macs(vit, 36, cost)) == cost
        wanted = 0.9 * cost
        assert abs(costs[r_for_macs(vit, 36, wanted)] - wanted) == min(abs(c - wanted) for c in costs)
    assert r_for_macs(vit, 36, 10 * costs[0]) == costs.index(max(costs))
    assert costs[r_for_macs(vit, 36, 1)] == min(costs)


@pytest.mark.parametrize('r', [-1, [1, 1], [1, 1, 1, 1], [1, -1, 1], []], ids=str)
def test_r_out_of_range(make_vit, r):
    with pytest.raises(ValueError, match=r'^r '):
        ToMe(make_vit(), r)
    with pytest.raises(ValueError, match=r'^r '):
        tome_macs(make_vit(), 36, r)


def test_refuses_what_it_cannot_serve(make_vit):
    with pytest.raises(TypeError, match='VisionTransformer'):
        ToMe(torch.nn.Linear(2, 2), 1)
    with pytest.raises(TypeError):
        ToMe(make_vit(), 1.5)
    with pytest.raises(ValueError, match='ParallelScalingBlock'):
        ToMe(make_vit(block_fn=ParallelScalingBlock), 1)
    for call in (tome_macs, r_for_macs):
        with pytest.raises(ValueError, match='num_tokens'):
            call(make_vit(), -3, 1)
    with pytest.raises(ValueError, match='macs'):
        r_for_macs(make_vit(), 36, 0)


def test_the_given_vit_stays_as_it_is(make_vit):
    vit, images = make_vit(), torch.randn(2, 3, 48, 48)
    kinds = [type(module) for module in vit.modules()]
    before = vit(images)
    tome = ToMe(vit, 4).train()
    tome(images)
    assert [type(module) for module in vit.modules()] == kinds
    assert not any(module.training for module in vit.modules())
    assert torch.equal(vit(images), before)
    assert {id(p) for p in tome.parameters()} == {id(p) for p in vit.parameters()}


def test_gradients_reach_every_parameter(make_vit):
    vit = make_vit()
    ToMe(vit, 5)(torch.randn(2, 3, 48, 48)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in vit.parameters())


def test_serves_a_vit_with_adopted_linears(make_vit, assert_relative):
    vit = make_vit(img_size=112, embed_dim=128, depth=2)
    images = torch.randn(2, 3, 112, 112)
    with torch.inference_mode():
        expected = ToMe(vit, 20)(images)
        adopt_linears(vit)
        assert_relative(ToMe(vit, 20)(images), expected)


def test_many_tokens_merge_into_one_in_half_precision():
    x = torch.full((1, 800, 4), 3.0, dtype=torch.bfloat16)
    merged, sizes = merge_tokens(x, None, match_tokens(torch.ones(1, 2, 800, 4), 400, 0))
    assert sizes.max() == 401
    assert torch.equal(merged, x[:, :400])
